// cat, verify, opt.
#include <cstdio>

#include <fmt/format.h>

#include "input.h"
#include "ir/print.h"
#include "ir/verify.h"

namespace kiln::irtool {

int cat(const Arguments& arguments) {
    arguments.allow({});
    for (const ir::Function& f : read_functions(arguments.operands(1)[0])) fmt::print("{}", ir::print(f));
    return exit_good;
}

int verify(const Arguments& arguments) {
    arguments.allow({});
    const std::string& path = arguments.operands(1)[0];
    int code = exit_good;
    for (const ir::Function& f : read_functions(path)) {
        const auto valid = ir::verify(f);
        if (valid) continue;
        fmt::print(stderr, "{}: function {:#x}: {}\n", path, f.entry().raw, valid.error().message);
        code = exit_negative;
    }
    return code;
}

int opt(const Arguments& arguments) {
    arguments.allow({"passes", "level", "verify-each"});
    const std::string& path = arguments.operands(1)[0];
    std::vector<ir::Function> functions = read_functions(path);
    for (const ir::Function& f : functions)
        if (const auto valid = ir::verify(f); !valid)
            throw Unusable{fmt::format("{}: function {:#x}: {}", path, f.entry().raw, valid.error().message)};
    for (ir::Function& f : functions) {
        optimize(f, arguments);
        fmt::print("{}", ir::print(f));
    }
    return exit_good;
}

}  // namespace kiln::irtool
