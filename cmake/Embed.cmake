# Files as bytes of a program: FILE becomes FILE.inc, a list for the inside of { }.
#
#     cutover_embed(TARGET FOLDER FILE...)     source: src/FOLDER/FILE
#     #include "FOLDER/FILE.inc"
#
# Run as a script (cmake -DFROM=... -DTO=... -P Embed.cmake) it does that for one file, so that the
# build needs nothing but CMake.
function(cutover_embed_file from to)
    file(READ "${from}" bytes HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    file(WRITE "${to}" "${bytes}\n")
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
    cutover_embed_file("${FROM}" "${TO}")
    return()
endif()

set(CUTOVER_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(cutover_embed target folder)
    set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
    foreach(name IN LISTS ARGN)
        set(from ${CMAKE_CURRENT_SOURCE_DIR}/src/${folder}/${name})
        set(to ${generated}/${folder}/${name}.inc)
        if(NOT EXISTS ${to}) # for what reads the sources without building them
            cutover_embed_file(${from} ${to})
        endif()
        add_custom_command(
            OUTPUT ${to}
            COMMAND ${CMAKE_COMMAND} -DFROM=${from} -DTO=${to} -P ${CUTOVER_EMBED_SCRIPT}
            DEPENDS ${from} ${CUTOVER_EMBED_SCRIPT}
            VERBATIM)
        target_sources(${target} PRIVATE ${to})
    endforeach()
    target_include_directories(${target} PRIVATE ${generated})
endfunction()
