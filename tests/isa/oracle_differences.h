// Where Kiln and LLVM 19 read a word differently, and why Kiln is as the manual has it. Nothing else may
// differ.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "base/types.h"

namespace kiln::riscv64 {

/// A word with its two texts; "" is an illegal instruction.
struct Disagreement {
    u32 word;
    std::string ours;
    std::string theirs;
};

struct StatedDifference {
    u32 example;
    bool (*covers)(const Disagreement& disagreement);
    const char* reason;
};

inline bool is_privileged(std::string_view text) {
    constexpr std::string_view names[] = {"sret", "mret", "wfi", "dret", "mnret"};
    return std::ranges::find(names, text) != std::end(names) || text.starts_with("sfence.vma ");
}

/// The last operand, a number; 0 if it is not one.
inline long last_number(std::string_view text) { return std::atol(text.data() + text.rfind(' ') + 1); }

inline constexpr StatedDifference stated_differences[] = {
    {0x0000,
     [](const Disagreement& d) { return (d.word & 0xffff) == 0 && d.ours.empty() && d.theirs == "c.unimp"; },
     "The zero word is defined to be illegal ('C', defined illegal instruction); LLVM gives it a name."},
    {0x6501,
     [](const Disagreement& d) {
         return d.ours.empty() && d.theirs.starts_with("c.lui ") && d.theirs.ends_with(", 0");
     },
     "C.LUI with imm = 0 is reserved ('C', integer constant generation) but where Zcmop is; LLVM takes it."},
    {0x707d,
     [](const Disagreement& d) {
         return d.ours.starts_with("c.lui zero, ") && d.theirs.starts_with("c.lui zero, -") &&
                last_number(d.ours) == last_number(d.theirs) + (1 << 20);
     },
     "The HINT C.LUI with rd = x0: LLVM prints its immediate signed, unlike that of every other C.LUI."},
    {0x0100000f, [](const Disagreement& d) { return d.ours == "pause" && d.theirs == "fence w, 0"; },
     "PAUSE has a row of its own (Zihintpause); to LLVM it is an alias of the FENCE it is encoded as."},
    {0x8ff0000f,
     [](const Disagreement& d) {
         constexpr u32 fm_rs1_rd = 0xf00f8f80;
         return (d.ours.starts_with("fence ") || d.ours == "fence.tso" || d.ours == "pause") &&
                (d.word & fm_rs1_rd) != 0 && d.theirs.empty();
     },
     "FENCE ignores rs1 and rd and treats reserved fm as 0 (2.7 'Memory Ordering'); LLVM wants them zero."},
    {0x0015110f,
     [](const Disagreement& d) { return d.ours == "fence.i" && d.word != 0x0000100f && d.theirs.empty(); },
     "FENCE.I ignores imm, rs1 and rd ('Zifencei'); LLVM wants them zero."},
    {0x31b01013,
     [](const Disagreement& d) {
         return d.ours.empty() && d.theirs.starts_with("aes64ks1i ") && last_number(d.theirs) > 10;
     },
     "AES64KS1I with a round number of 0xB to 0xF is reserved (Zkne); LLVM takes it."},
    {0xc2807053,
     [](const Disagreement& d) {
         return d.ours.empty() && d.theirs.starts_with("fcvtmod.w.d ") && !d.theirs.ends_with(", rtz");
     },
     "FCVTMOD.W.D with a rounding mode other than RTZ is reserved (Zfa); LLVM takes it."},
    {0xc0001073,
     [](const Disagreement& d) { return d.ours == "csrrw zero, cycle, zero" && d.theirs == "unimp"; },
     "UNIMP is an alias, of a write to a read-only CSR; LLVM prints it even without aliases."},
    {0x30200073, [](const Disagreement& d) { return d.ours.empty() && is_privileged(d.theirs); },
     "Privileged instructions are not in the table: they are illegal in user mode (privileged manual 3.3)."},
};

inline const StatedDifference* stated_difference(const Disagreement& disagreement) {
    for (const StatedDifference& difference : stated_differences) {
        if (difference.covers(disagreement)) return &difference;
    }
    return nullptr;
}

}  // namespace kiln::riscv64
