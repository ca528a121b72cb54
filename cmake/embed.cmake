# embed_files(<target> <folder> <files>...) puts files into the program: each is found at run time under
# <folder>/<file name>, see visualizer/resources/embedded.h. May be called many times for a target.
#
# embed_fonts(<target>) does so with the faces of type, as fonts/<file name>.
#
# With -P this file is the program that writes a file as a C++ string literal, which compilers read many times
# faster than a list of numbers.
if(CMAKE_SCRIPT_MODE_FILE)
  file(SIZE "${INPUT}" size)
  file(READ "${INPUT}" bytes HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" literal "${bytes}")
  file(WRITE "${OUTPUT}" "#include \"visualizer/resources/embedded.h\"
extern const ringattn::viz::EmbeddedFile ${SYMBOL};
constexpr ringattn::viz::EmbeddedFile ${SYMBOL}{\"${NAME}\", {\"${literal}\", ${size}}};
")
  return()
endif()

set(embed_program ${CMAKE_CURRENT_LIST_FILE})

function(embed_files target folder)
  set(room ${CMAKE_CURRENT_BINARY_DIR}/embedded_in_${target})
  get_target_property(symbols ${target} EMBEDDED_SYMBOLS)
  if(NOT symbols)
    # The table is written after the last call
    set(symbols "")
    set(all "$<TARGET_PROPERTY:${target},EMBEDDED_SYMBOLS>")
    file(GENERATE OUTPUT ${room}/table.cpp CONTENT "#include \"visualizer/resources/embedded.h\"
extern const ringattn::viz::EmbeddedFile $<JOIN:${all},$<COMMA> >;
const ringattn::viz::EmbeddedFile* const ringattn::viz::embedded_files[] = {&$<JOIN:${all},$<COMMA> &>, nullptr};
")
    target_sources(${target} PRIVATE ${room}/table.cpp)
  endif()

  foreach(file ${ARGN})
    get_filename_component(file ${file} ABSOLUTE)
    get_filename_component(base ${file} NAME)
    string(MAKE_C_IDENTIFIER "embedded_${folder}_${base}" symbol)
    if(symbol IN_LIST symbols)
      message(FATAL_ERROR "embed_files: the name ${folder}/${base} is taken; give each file in ${target} one of its own")
    endif()
    list(APPEND symbols ${symbol})
    add_custom_command(OUTPUT ${room}/${symbol}.cpp
      COMMAND ${CMAKE_COMMAND} -DINPUT=${file} -DOUTPUT=${room}/${symbol}.cpp -DSYMBOL=${symbol} -DNAME=${folder}/${base} -P ${embed_program}
      DEPENDS ${file} ${embed_program} COMMENT "Embedding ${folder}/${base}" VERBATIM)
    target_sources(${target} PRIVATE ${room}/${symbol}.cpp)
    # No standard C++ for its length, but every compiler takes it
    set_source_files_properties(${room}/${symbol}.cpp PROPERTIES COMPILE_OPTIONS -w SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
  set_target_properties(${target} PROPERTIES EMBEDDED_SYMBOLS "${symbols}")
endfunction()

function(embed_fonts target)
  foreach(face DejaVuSans DejaVuSans-Bold DejaVuSansMono)
    find_file(RINGATTN_FONT_${face} ${face}.ttf PATHS /usr/share/fonts/truetype/dejavu /usr/share/fonts/dejavu /usr/share/fonts/TTF)
    if(NOT RINGATTN_FONT_${face})
      message(FATAL_ERROR "The visualizer needs the font ${face}.ttf, which was not found; "
        "install fonts-dejavu-core, or give its path with -DRINGATTN_FONT_${face}=...")
    endif()
    embed_files(${target} fonts ${RINGATTN_FONT_${face}})
  endforeach()
endfunction()

# The scenes, and the sources that the code pane shows
function(embed_scenes_and_code target)
  set(root ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/..)
  file(GLOB scenes CONFIGURE_DEPENDS ${root}/visualizer/scenes/*.json)
  embed_files(${target} scenes ${scenes})
  foreach(source ring/loop.h ring/device.h ring/port.h blockwise/block_forward.cpp blockwise/block_backward.cpp blockwise/softmax_state.cpp
      strategies/all_gather.h strategies/bidirectional.h strategies/double_ring.h strategies/tree_decode.cpp strategies/usp_loop.h strategies/head_exchange.h)
    get_filename_component(room ${source} DIRECTORY)
    embed_files(${target} reference/${room} ${root}/reference/${source})
  endforeach()
endfunction()
