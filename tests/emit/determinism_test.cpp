// A unit is a pure function of guest bytes, options and host features: compiled again, by a translator with another
// history, at other addresses or in another process, it has the same bytes, relocations and fault points. So it can be
// kept, compared, and made elsewhere.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "emit/translate.h"
#include "ir/print.h"
#include "opt/pipeline.h"
#include "random_units.h"

namespace kiln::test {
namespace {

/// All that a unit consists of, as bytes.
std::string content(const abi::UnitCode& unit) {
    std::string out(unit.bytes.begin(), unit.bytes.end());
    const auto add = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
    add(unit.forward);
    for (const abi::UnitRelocation& r : unit.relocations) add(r.offset), add(r.stub);
    for (const abi::FrameValue& v : unit.frame_values) add(v.offset), add(v.slot), add(v.word);
    for (const abi::PlaceRange& r : unit.frames) add(r.begin), add(r.count);
    for (const abi::StatePlace& p : unit.places) add(p.slot), add(p.place), add(p.value);
    for (const abi::FaultPoint& p : unit.fault_points)
        add(p.offset), add(p.retired), add(p.pc.raw), add(p.base), add(p.index), add(p.scale), add(p.disp);
    return out;
}

struct Compiled {
    u64 hash = 0;
    unsigned units = 0;
};

Compiled compile_all() {
    emit::Translator translator{emit::host_features(), {}};
    ir::Function function{riscv64::frontend().env()};
    abi::UnitCode code;
    Compiled all;
    std::string hashes;
    const auto add = [&](const Result<void>& made) {
        if (!made) return;
        const std::string bytes = content(code);
        const u64 hash = hash_bytes({reinterpret_cast<const u8*>(bytes.data()), bytes.size()});
        hashes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
        ++all.units;
    };
    for (Units sequence; sequence.next(function);) {
        add(translator.translate(function, code));
        opt::run_pipeline(function, opt::Level::region);
        add(translator.translate_region(function, code));
    }
    all.hash = hash_bytes({reinterpret_cast<const u8*>(hashes.data()), hashes.size()});
    return all;
}

/// What another process makes of the same: this program once more, at other addresses.
Compiled compile_all_elsewhere() {
    char program[4096] = {};
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) return {};
    const std::string command =
        "KILN_TEST_COMPILE=1 '" + std::string(program) + "' --gtest_filter=Determinism.InAnotherProcess";
    std::FILE* const output = popen(command.c_str(), "r");
    Compiled all;
    char line[256];
    while (std::fgets(line, sizeof line, output) != nullptr) {
        unsigned long long hash;
        if (std::sscanf(line, "compiled %u %llx", &all.units, &hash) == 2) all.hash = hash;
    }
    pclose(output);
    return all;
}

TEST(Determinism, ByATranslatorWithAnotherHistory) {
    emit::Translator first{emit::host_features(), {}};
    ir::Function function{riscv64::frontend().env()};
    abi::UnitCode code, again;
    unsigned compiled = 0;
    for (Units sequence; sequence.next(function);) {
        const auto made = first.translate(function, code);
        ASSERT_TRUE(made) << made.error().message << "\n" << ir::print(function);
        ++compiled;
        emit::Translator second{emit::host_features(), {}};
        ASSERT_TRUE(second.translate(function, again));
        ASSERT_EQ(content(code), content(again)) << "unit " << compiled;
    }
    EXPECT_EQ(compiled, units);
}

TEST(Determinism, InAnotherProcess) {
    const Compiled here = compile_all();
    std::printf("compiled %u %llx\n", here.units, static_cast<unsigned long long>(here.hash));
    std::fflush(stdout);
    if (std::getenv("KILN_TEST_COMPILE") != nullptr) return;
    const Compiled elsewhere = compile_all_elsewhere();
    EXPECT_EQ(here.units, elsewhere.units);
    EXPECT_EQ(here.hash, elsewhere.hash);
}

}  // namespace
}  // namespace kiln::test
