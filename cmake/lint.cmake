# For clang-tidy (make lint): the sources of each folder become one unit. clang-tidy spends most of its time on the headers
# of other projects, and reads them once for each unit. It analyses the paths through functions only in its main file and
# in what a file with "UnifiedSource" in its name includes.
function(unite_folders target)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    cmake_path(ABSOLUTE_PATH source OUTPUT_VARIABLE folder)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
    cmake_path(GET folder PARENT_PATH folder)
    string(REPLACE "/" "_" folder ${folder})
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP UnifiedSource_${folder})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP
    UNITY_BUILD_CODE_BEFORE_INCLUDE "// NOLINTNEXTLINE(bugprone-suspicious-include)"
    EXPORT_COMPILE_COMMANDS ON DISABLE_PRECOMPILE_HEADERS ON)
endfunction()

get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
list(FILTER targets INCLUDE REGEX "^ring")
list(FILTER targets EXCLUDE REGEX "_precompiled|_settings$")
foreach(target ${targets})
  unite_folders(${target})
endforeach()
