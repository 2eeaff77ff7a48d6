# SPDX-License-Identifier: Apache-2.0
# Puts files into the program: millrace_embed_files(OUT FUNCTION NAME=PATH ...) writes a source that defines
# std::span<const EmbeddedFile> millrace::app::FUNCTION(), and sets OUT to its path. The bytes come in by the assembler's .incbin.
function(millrace_embed_files out function)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${function}.cc)
  set(assembly "")
  set(externs "")
  set(entries "")
  set(paths "")
  set(index 0)
  foreach(entry IN LISTS ARGN)
    string(REGEX MATCH "^([^=]+)=(.+)$" _ "${entry}")
    set(name ${CMAKE_MATCH_1})
    set(path ${CMAKE_MATCH_2})
    if(NOT EXISTS ${path})
      message(FATAL_ERROR "millrace_embed_files: ${path} does not exist")
    endif()
    set(symbol millrace_${function}_${index})
    string(APPEND assembly "__asm__(\".section .rodata\\n.balign 16\\n.global ${symbol}\\n${symbol}:\\n.incbin \\\"${path}\\\"\\n\"\n"
                           "        \".global ${symbol}_end\\n${symbol}_end:\\n.byte 0\\n.text\\n\");\n")
    string(APPEND externs "extern const char ${symbol}[];\nextern const char ${symbol}_end[];\n")
    string(APPEND entries "      {\"${name}\", {${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})}},\n")
    list(APPEND paths ${path})
    math(EXPR index "${index} + 1")
  endforeach()
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT "// SPDX-License-Identifier: Apache-2.0
// Written by cmake/EmbedFiles.cmake.
#include \"app/embedded_files.h\"

@assembly@
extern \"C\" {
@externs@}

namespace millrace::app {

std::span<const EmbeddedFile> @function@() {
  static const EmbeddedFile files[] = {
@entries@  };
  return files;
}

}  // namespace millrace::app
")
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${paths}")
  set(${out} ${source} PARENT_SCOPE)
endfunction()
