# Enables CUDA and sets RINGATTN_HAS_CUDA where a compiler is found that knows C++20; else says how to get one.

# Where the CUDA Toolkit usually is, is often not in PATH
find_program(RINGATTN_NVCC nvcc PATHS /usr/local/cuda/bin)
if(RINGATTN_NVCC AND NOT DEFINED ENV{CUDACXX})
  set(ENV{CUDACXX} ${RINGATTN_NVCC})
endif()
include(CheckLanguage)
check_language(CUDA)

if(CMAKE_CUDA_COMPILER)
  # Each kernel names the architectures that it is for, see gpu/CMakeLists.txt
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES OFF)
  endif()
  enable_language(CUDA)
  set(found "CUDA ${CMAKE_CUDA_COMPILER_VERSION}")
else()
  set(found "no CUDA compiler")
endif()

if(CMAKE_CUDA_COMPILER AND CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.5)
  set(RINGATTN_HAS_CUDA ON)
  message(STATUS "The GPU version is built with ${found}")
else()
  message(STATUS "The GPU version is absent: found ${found}; install the CUDA Toolkit, 12.5 or later, "
    "and give -DCMAKE_CUDA_COMPILER=... if its nvcc is not found by itself")
endif()
