#include "input.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "ir/parse.h"
#include "ir/verify.h"
#include "opt/pipeline.h"
#include "run_ir.h"

namespace kiln::irtool {
namespace {

/// Whether only blanks and comments are left.
bool is_blank(std::string_view text) {
    while (!text.empty()) {
        if (text[0] == ';')
            text.remove_prefix(std::min(text.find('\n'), text.size()));
        else if (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' || text[0] == '\n')
            text.remove_prefix(1);
        else
            return false;
    }
    return true;
}

/// The parser's `line N: what` as `path:N: what`, counted from `first_line`.
std::string located(const std::string& path, u64 first_line, std::string_view message) {
    message.remove_prefix(std::string_view("line ").size());
    const std::size_t colon = message.find(':');
    return fmt::format("{}:{}{}", path, parse_number(message.substr(0, colon)) + first_line - 1,
                       message.substr(colon));
}

}  // namespace

std::string read_file(const std::string& path) {
    std::stringstream content;
    if (path == "-") {
        content << std::cin.rdbuf();
        return content.str();
    }
    if (std::filesystem::is_directory(path)) throw Unusable{fmt::format("{} is a directory", path)};
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Unusable{fmt::format("{} cannot be read", path)};
    content << in.rdbuf();
    return content.str();
}

std::vector<ir::Function> read_functions(const std::string& path) {
    const std::string text = read_file(path);
    std::vector<ir::Function> functions;
    std::string_view rest = text;
    while (!is_blank(rest)) {
        const auto consumed = static_cast<std::ptrdiff_t>(text.size() - rest.size());
        const u64 line = 1 + static_cast<u64>(std::count(text.begin(), text.begin() + consumed, '\n'));
        ir::Function f(env);
        if (const auto parsed = ir::parse(rest, f); !parsed)
            throw Unusable{located(path, line, parsed.error().message)};
        functions.push_back(std::move(f));
    }
    if (functions.empty()) throw Unusable{fmt::format("{} has no function", path)};
    return functions;
}

ir::Function read_one(const std::string& path) {
    std::vector<ir::Function> functions = read_functions(path);
    if (functions.size() != 1)
        throw Unusable{fmt::format("{} has {} functions, not one", path, functions.size())};
    if (const auto valid = ir::verify(functions[0]); !valid)
        throw Unusable{fmt::format("{}: {}", path, valid.error().message)};
    return std::move(functions[0]);
}

void optimize(ir::Function& f, const Arguments& arguments) {
    const opt::PipelineOptions options{.verify_each = arguments.flag("verify-each")};
    if (arguments.flag("passes") && arguments.flag("level"))
        throw Unusable{"either --passes or --level, not both"};
    if (const auto passes = arguments.find("passes")) {
        for (const std::string& name : split(*passes)) {
            const opt::Pass* pass = opt::find_pass(name);
            if (pass == nullptr) throw Unusable{fmt::format("no pass is called '{}'", name)};
            pass->run(f);
            if (options.verify_each) opt::check_after(f, name);
        }
    } else if (const auto level = arguments.find("level")) {
        constexpr std::pair<std::string_view, opt::Level> levels[] = {{"none", opt::Level::none},
                                                                      {"tier0", opt::Level::tier0},
                                                                      {"full", opt::Level::full},
                                                                      {"region", opt::Level::region}};
        const auto found = std::ranges::find(levels, *level, [](const auto& row) { return row.first; });
        if (found == std::end(levels)) throw Unusable{fmt::format("no level is called '{}'", *level)};
        opt::run_pipeline(f, found->second, options);
    }
}

}  // namespace kiln::irtool
