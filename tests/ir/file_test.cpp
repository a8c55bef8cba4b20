// Runs every tests/ir/**/*.ir. A file is a comment and then cases:
//
//   ; run: opt fold          what is done with the function below
//   function test 0x1000 {
//   ...
//   ; expect:                what must come out, up to the next case
//
// What can be run:
//   print               parse and print
//   verify              `ok`, or the first violation
//   opt PASS,PASS...    the function after those passes, verified after each
//   opt LEVEL           the same for a level of opt/pipeline.h
// An input that cannot be parsed gives `error: ` and the parser's message; its lines are counted from the one
// after `; run:`. KILN_BLESS=1 writes what comes out into the files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "opt/pipeline.h"
#include "test_env.h"

namespace kiln {
namespace {

constexpr std::string_view run_mark = "; run: ";
constexpr std::string_view expect_mark = "; expect:\n";

std::string optimize(ir::Function& f, std::string_view what) {
    if (const auto valid = ir::verify(f); !valid) return "error: " + valid.error().message;
    const auto run_level = [&](opt::Level level) { opt::run_pipeline(f, level, {.verify_each = true}); };
    if (what == "tier0") {
        run_level(opt::Level::tier0);
    } else if (what == "full") {
        run_level(opt::Level::full);
    } else if (what == "region") {
        run_level(opt::Level::region);
    } else {
        while (!what.empty()) {
            const std::string_view name = what.substr(0, what.find(','));
            what.remove_prefix(std::min(what.size(), name.size() + 1));
            const opt::Pass* pass = opt::find_pass(name);
            if (pass == nullptr) return "no pass is called " + std::string(name);
            const std::string before = ir::print(f);
            const bool changed = pass->run(f);
            opt::check_after(f, name);
            if (!changed && ir::print(f) != before) return std::string(name) + " changed it and denies it";
        }
    }
    return ir::print(f);
}

std::string output_of(std::string_view run, std::string_view input) {
    ir::Function f(test::env);
    if (const auto parsed = ir::parse(input, f); !parsed) return "error: " + parsed.error().message;
    if (run == "print") return ir::print(f);
    if (run == "verify") {
        const auto valid = ir::verify(f);
        return valid ? "ok" : valid.error().message;
    }
    if (run.starts_with("opt ")) return optimize(f, run.substr(4));
    return "nothing is called " + std::string(run);
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    return text;
}

void check_file(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::stringstream content;
    content << in.rdbuf();
    const std::string text = content.str();
    const bool bless = std::getenv("KILN_BLESS") != nullptr;

    std::size_t at = text.find(run_mark);
    ASSERT_NE(at, std::string::npos) << path << " has no case";
    std::string blessed = text.substr(0, at);
    while (at != std::string::npos) {
        const std::size_t next = text.find(run_mark, at + 1);
        const std::string_view test_case = std::string_view(text).substr(at, next - at);
        const std::size_t body = test_case.find('\n') + 1;
        const std::size_t expect = test_case.find(expect_mark);
        const std::string_view run = test_case.substr(run_mark.size(), body - 1 - run_mark.size());
        const std::string_view input = trimmed(test_case.substr(0, expect)).substr(body);
        const std::string output = output_of(run, input);
        if (!bless) {
            ASSERT_NE(expect, std::string_view::npos) << path << ": a case expects nothing";
            EXPECT_EQ(trimmed(test_case.substr(expect + expect_mark.size())), trimmed(output))
                << path << ":"
                << std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
        }
        blessed += std::string(test_case.substr(0, body)) + std::string(input) + "\n" +
                   std::string(expect_mark) + std::string(trimmed(output)) + "\n";
        at = next;
        if (at != std::string::npos) blessed += '\n';
    }
    if (bless) std::ofstream(path) << blessed;
}

class FileTest : public testing::Test {
  public:
    explicit FileTest(std::filesystem::path path) : path_(std::move(path)) {}
    void TestBody() override { check_file(path_); }

  private:
    std::filesystem::path path_;
};

[[maybe_unused]] const bool registered = [] {
    const std::filesystem::path root = std::filesystem::path(KILN_SOURCE_DIR) / "tests/ir";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.path().extension() != ".ir") continue;
        testing::RegisterTest("FileTest", entry.path().lexically_relative(root).c_str(), nullptr, nullptr,
                              __FILE__, __LINE__, [path = entry.path()] { return new FileTest(path); });
    }
    return true;
}();

}  // namespace
}  // namespace kiln
