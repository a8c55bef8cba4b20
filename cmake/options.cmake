# Build options and the compiler flags that every target shares.
option(KILN_TESTS "Build the tests" ON)
option(KILN_WERROR "Treat warnings as errors" OFF)
set(KILN_SANITIZE "" CACHE STRING "Sanitizers, comma separated as for -fsanitize=")
option(KILN_COVERAGE "Instrument for llvm-cov" OFF)
option(KILN_FUZZ "Build the libFuzzer targets" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
# The interpreter's dispatch needs guaranteed tail calls, which clang drops at -O0.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
    message(FATAL_ERROR "Kiln needs clang 19 or newer (musttail and preserve_none): "
                        "install clang-19 and configure with a preset, e.g. cmake --preset release")
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wno-missing-field-initializers -fno-strict-aliasing)
if(KILN_WERROR)
    add_compile_options(-Werror)
endif()
if(KILN_SANITIZE)
    # vptr needs the type information that the engine is built without.
    add_compile_options(-fsanitize=${KILN_SANITIZE} -fno-sanitize=vptr -fno-omit-frame-pointer -fno-sanitize-recover=all -g)
    add_link_options(-fsanitize=${KILN_SANITIZE})
endif()
if(KILN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(KILN_COVERAGE)
    # Counters that can be a mapped file, as tools/coverage.sh wants them; which file must not depend on a guest's environment.
    add_compile_options(-fprofile-instr-generate=${CMAKE_BINARY_DIR}/profiles/%m%c.profraw -fcoverage-mapping "SHELL:-mllvm -runtime-counter-relocation")
    add_link_options(-fprofile-instr-generate)
endif()
# Sections that are read through __start_/__stop_ symbols (abi/guest_access.h) stay when sections are collected.
add_link_options(-fuse-ld=lld -Wl,-z,nostart-stop-gc)

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
