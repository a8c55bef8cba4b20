// Units of random riscv64 instructions, to be compiled.
#pragma once

#include <random>
#include <vector>

#include "isa/riscv64/decode.h"
#include "lift/riscv64/frontend.h"
#include "memory_code.h"

namespace kiln::test {

inline constexpr GuestAddr code_at{0x10000};
inline constexpr unsigned units = 3000;

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

}  // namespace kiln::test
