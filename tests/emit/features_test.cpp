// Code for a host without extensions of its instruction set has no instruction of theirs.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "emit/translate.h"
#include "ir/print.h"
#include "random_units.h"

namespace kiln::test {
namespace {

/// The extension that an instruction, by its name in a listing, belongs to; empty if every x86-64 has it.
std::string_view extension_of(std::string_view name) {
    for (std::string_view bmi : {"andn", "rorx", "shlx", "shrx", "sarx", "lzcnt", "tzcnt", "popcnt", "mulx",
                                 "bextr", "blsr", "pdep"})
        if (name == bmi) return "bmi";
    if (name.starts_with("vfm") || name.starts_with("vfnm")) return "fma";
    if (name.find("usi") != name.npos) return "avx512";
    if (name.starts_with("v") && name != "verr" && name != "verw") return "avx";
    if (name.starts_with("round") || name == "pextrq" || name == "pinsrq") return "sse41";
    if (name.starts_with("pclmul")) return "clmul";
    if (name.starts_with("aes")) return "aes";
    return {};
}

class WithoutFeature : public testing::TestWithParam<HostFeature> {};

constexpr std::string_view names[] = {
#define HOST_FEATURE(name, sentence) #name,
#include "base/host_features.def"
#undef HOST_FEATURE
};

TEST_P(WithoutFeature, NothingOfItIsEmitted) {
    const std::string_view missing = names[static_cast<u8>(GetParam())];
    HostFeatureSet without;
    without.add(GetParam());
    emit::Translator translator{emit::host_features(without), {.listing = true}};
    ir::Function function{riscv64::frontend().env()};
    abi::UnitCode code;
    for (Units sequence; sequence.next(function);) {
        const auto made = translator.translate(function, code);
        ASSERT_TRUE(made) << made.error().message << "\n" << ir::print(function);
        std::istringstream lines(code.listing);
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::string name;
            words >> name;
            if (name == "lock" || name == "rep") words >> name;
            ASSERT_NE(extension_of(name), missing) << line << "\n" << ir::print(function);
        }
    }
}

std::vector<HostFeature> features() {
    std::vector<HostFeature> all;
    for (std::size_t i = 0; i < std::size(names); ++i) all.push_back(HostFeature(i));
    return all;
}

INSTANTIATE_TEST_SUITE_P(Features, WithoutFeature, testing::ValuesIn(features()),
                         [](const auto& info) { return std::string(names[static_cast<u8>(info.param)]); });

}  // namespace
}  // namespace kiln::test
