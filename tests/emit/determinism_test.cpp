// A unit is a pure function of guest bytes, options and host features: compiled again, by a translator with another
// history, at other addresses or in another process, it has the same bytes, relocations and fault points. So it can be
// kept, compared, and made elsewhere.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <random>

#include "base/hash.h"
#include "emit/translate.h"
#include "isa/riscv64/decode.h"
#include "lift/riscv64/frontend.h"
#include "memory_code.h"

namespace kiln::test {
namespace {

using riscv64::Decoded;

constexpr GuestAddr code_at{0x10000};
constexpr unsigned units = 3000;

/// Units of random instructions, always the same: every row of the table is in several.
class Units {
  public:
    /// The next unit's function; false when it has been the last.
    bool next(ir::Function& function) {
        if (made_ == units) return false;
        const auto rows = riscv64::all_instructions();
        std::vector<u8> bytes;
        append(bytes, rows[made_++ % rows.size()]);
        for (unsigned i = random_() % 20; i > 0; --i) append(bytes, rows[random_() % rows.size()]);
        MemoryCode code(code_at, bytes);
        abi::Lifted lifted;
        riscv64::frontend().lift(function, code_at, code, {.read_once = made_ % 2 == 0}, lifted);
        return true;
    }

  private:
    void append(std::vector<u8>& bytes, const riscv64::InstInfo& row) {
        const riscv64::Encoding& encoding = row.encoding();
        const u32 word = encoding.value | (static_cast<u32>(random_()) & ~encoding.mask);
        for (unsigned i = 0; i < riscv64::decode(word).length; ++i)
            bytes.push_back(static_cast<u8>(word >> 8 * i));
    }

    std::mt19937_64 random_{1};
    unsigned made_ = 0;
};

/// All that a unit consists of, as bytes.
std::string content(const abi::UnitCode& unit) {
    std::string out(unit.bytes.begin(), unit.bytes.end());
    const auto add = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
    add(unit.forward);
    for (const abi::UnitRelocation& r : unit.relocations) add(r.offset), add(r.stub);
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
    for (Units sequence; sequence.next(function);) {
        if (!translator.translate(function, code)) continue;
        const std::string bytes = content(code);
        const u64 hash = hash_bytes({reinterpret_cast<const u8*>(bytes.data()), bytes.size()});
        hashes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
        ++all.units;
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
        if (!first.translate(function, code)) continue;
        ++compiled;
        emit::Translator second{emit::host_features(), {}};
        ASSERT_TRUE(second.translate(function, again));
        ASSERT_EQ(content(code), content(again)) << "unit " << compiled;
    }
    EXPECT_GT(compiled, units / 3);
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
