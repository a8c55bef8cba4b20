# kiln_library(<folder> [DEPS kiln_x ...]): every .cpp below the calling folder becomes library kiln_<folder>.
function(kiln_library name)
    cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    if(sources)
        add_library(kiln_${name} STATIC ${sources})
        set(scope PUBLIC)
        # The engine itself neither throws nor asks for types at run time.
        target_compile_options(kiln_${name} PRIVATE -fno-exceptions -fno-rtti)
    else()
        add_library(kiln_${name} INTERFACE)
        set(scope INTERFACE)
    endif()
    # For "..." includes only: src/linux/ must not hide the system's <linux/...>.
    target_compile_options(kiln_${name} ${scope} "SHELL:-iquote ${PROJECT_SOURCE_DIR}/src")
    target_include_directories(kiln_${name} ${scope} ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(kiln_${name} ${scope} ${ARG_DEPS} fmt::fmt-header-only tl::expected)
    # Without this fmt brings in std::locale: 0.8 MB of code and a third of kiln's start-up time.
    target_compile_definitions(kiln_${name} ${scope} FMT_STATIC_THOUSANDS_SEPARATOR=',')
endfunction()

# kiln_timeout(<variable> <seconds>): a test's time limit, longer where instrumented code makes it slower.
function(kiln_timeout variable seconds)
    if(KILN_SANITIZE OR KILN_COVERAGE)
        math(EXPR seconds "4 * ${seconds}")
    endif()
    set(${variable} ${seconds} PARENT_SCOPE)
endfunction()

# kiln_engine_tests(<name> TIMEOUT <seconds> COMMAND ...): a quick test of the command as users have it, and one for each other
# engine, <name>_<engine>.
function(kiln_engine_tests name)
    cmake_parse_arguments(ARG "" "TIMEOUT" "COMMAND" ${ARGN})
    add_test(NAME ${name} COMMAND ${ARG_COMMAND})
    set(tests ${name})
    foreach(engine interp jit1 jit2)
        add_test(NAME ${name}_${engine} COMMAND ${ARG_COMMAND})
        set_tests_properties(${name}_${engine} PROPERTIES ENVIRONMENT "KILN_ENGINE=${engine}")
        list(APPEND tests ${name}_${engine})
    endforeach()
    kiln_timeout(timeout ${ARG_TIMEOUT})
    set_tests_properties(${tests} PROPERTIES LABELS quick TIMEOUT ${timeout})
endfunction()

# kiln_test(<name> SOURCES ... DEPS ... [LABELS ...]): one GoogleTest executable, registered as one ctest test.
# The label "quick" is what CI runs; "long" is the long suite.
function(kiln_test name)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS;ENV" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name} PRIVATE KILN_SOURCE_DIR="${PROJECT_SOURCE_DIR}" KILN_BINARY_DIR="${PROJECT_BINARY_DIR}")
    add_test(NAME ${name} COMMAND ${name})
    if(NOT ARG_LABELS)
        set(ARG_LABELS quick)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    kiln_timeout(timeout ${ARG_TIMEOUT})
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${timeout} ENVIRONMENT "${ARG_ENV}")
endfunction()
