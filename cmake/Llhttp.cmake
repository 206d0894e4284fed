# llhttp, as the target `llhttp`: a system library where there is one (libllhttp-dev), else built
# from the C sources that Debian 12 ships in node-llhttp.
#
# 8.x holds two parsers and takes the loose one unless LLHTTP_STRICT_MODE is 1; the loose one accepts
# known request smuggling inputs. From 9.0 on the strict parser is the only one. A system library of
# 8.x cannot be told how it was built, so it is passed over.
find_package(llhttp CONFIG QUIET)
if(TARGET llhttp::llhttp_shared AND llhttp_VERSION VERSION_GREATER_EQUAL 9.0)
    add_library(llhttp INTERFACE)
    target_link_libraries(llhttp INTERFACE llhttp::llhttp_shared)
    message(STATUS "llhttp: system library ${llhttp_VERSION}")
    return()
endif()

pkg_check_modules(LLHTTP QUIET IMPORTED_TARGET libllhttp>=9.0)
if(LLHTTP_FOUND)
    add_library(llhttp INTERFACE)
    target_link_libraries(llhttp INTERFACE PkgConfig::LLHTTP)
    message(STATUS "llhttp: system library ${LLHTTP_VERSION}")
    return()
endif()

find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH)
find_path(LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp NO_DEFAULT_PATH)
if(NOT LLHTTP_SOURCE_DIR OR NOT LLHTTP_INCLUDE_DIR)
    message(FATAL_ERROR "llhttp not found: install libllhttp-dev (9.0 or newer), or node-llhttp")
endif()
add_library(llhttp STATIC
    ${LLHTTP_SOURCE_DIR}/api.c ${LLHTTP_SOURCE_DIR}/http.c ${LLHTTP_SOURCE_DIR}/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
set_target_properties(llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON)
message(STATUS "llhttp: built from ${LLHTTP_SOURCE_DIR}, strict")
