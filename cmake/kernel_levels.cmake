# The kernels of a tile (reference/blockwise/kernels) are compiled once for each level of processors, and chosen when the
# program starts. Their loops consist of terms a b + c, which the processor rounds once where it can.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-march=x86-64-v4 RINGATTN_X86_64)

# use_kernel_levels(<name of a list of sources> <root folder>): sets the flags of the levels, and removes from the list
# those that the compiler does not know
function(use_kernel_levels name_of_list root)
  set(kernels ${root}/reference/blockwise/kernels)
  set(flags_of_baseline -ffp-contract=fast)
  set(flags_of_avx2 -march=x86-64-v3 -ffp-contract=fast)
  set(flags_of_avx512 -march=x86-64-v4 -ffp-contract=fast)
  foreach(level baseline avx2 avx512)
    set_source_files_properties(${kernels}/${level}.cpp PROPERTIES COMPILE_OPTIONS "${flags_of_${level}}"
      SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
  endforeach()
  if(RINGATTN_X86_64 AND RINGATTN_KERNEL_LEVELS)
    set_source_files_properties(${kernels}/tile_kernels.cpp PROPERTIES COMPILE_DEFINITIONS RINGATTN_X86_64)
  else()
    list(FILTER ${name_of_list} EXCLUDE REGEX "/kernels/avx(2|512)\\.cpp$")
    set(${name_of_list} ${${name_of_list}} PARENT_SCOPE)
  endif()
endfunction()
