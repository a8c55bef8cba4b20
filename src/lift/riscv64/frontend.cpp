// Forming units: fetching, decoding and lifting one instruction after another until something ends the unit.
// What ends it is in lifter.h (branches and jumps) and in the lift functions.
#include "lift/riscv64/frontend.h"

#include <cstring>

#include "isa/riscv64/disasm.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64 {
namespace {

using LiftFunction = void (*)(Lifter&, const Decoded&);

/// Indexed by InstId.
constexpr LiftFunction lift_functions[] = {
    lift::illegal,
#define RV_INST(id, bits, format, lift_as, ...) lift::lift_as,
#include "isa/riscv64/instructions.def"
#undef RV_INST
};

constexpr bool is_compressed(u32 word) { return (word & 3) != 3; }

/// Reads instruction words, asking the source once per run of bytes.
class Fetcher {
  public:
    explicit Fetcher(abi::CodeSource& code) : code_(code) {}

    /// The word at `pc`, the upper half being of no meaning for a compressed instruction. False if a byte
    /// of the instruction cannot be fetched: fault() says which.
    bool fetch(GuestAddr pc, u32& word) {
        if (pc - begin_ >= run_.size()) refill(pc);
        const u64 offset = pc - begin_;
        if (run_.size() >= 4 && offset <= run_.size() - 4) [[likely]] {
            std::memcpy(&word, run_.data() + offset, 4);
            return true;
        }
        return fetch_bytewise(pc, word);
    }
    const abi::Fault& fault() const { return fault_; }

  private:
    void refill(GuestAddr pc) {
        begin_ = pc;
        run_ = code_.fetch(pc);
    }

    /// At the end of a run, where the instruction may go on in another or not at all.
    [[gnu::noinline]] bool fetch_bytewise(GuestAddr pc, u32& word) {
        word = 0;
        for (unsigned i = 0; i < 4; ++i) {
            if (i == 2 && is_compressed(word)) break;
            const GuestAddr at = pc + i;
            if (at - begin_ >= run_.size()) refill(at);
            if (run_.empty()) {
                fault_ = {at, code_.fetch_fault(at)};
                return false;
            }
            word |= u32{run_[at - begin_]} << 8 * i;
        }
        return true;
    }

    abi::CodeSource& code_;
    GuestAddr begin_;
    std::span<const u8> run_;
    abi::Fault fault_;
};

class Riscv64 final : public abi::Frontend {
  public:
    const ir::Env& env() const override { return riscv64::env; }
    void lift(ir::Function& f, GuestAddr pc, abi::CodeSource& code, const abi::LiftOptions& options,
              abi::Lifted& result) const override;
    std::string disassemble(std::span<const u8> code, GuestAddr pc, u32& length) const override;
};

/// Adds an instruction's bytes to what the unit covers.
void cover(std::vector<abi::CodeRange>& ranges, GuestAddr pc, u8 length) {
    if (ranges.empty() || ranges.back().begin + ranges.back().bytes != pc) ranges.push_back({pc, 0});
    ranges.back().bytes += length;
}

/// Whether running on at `pc` would enter a part of the unit other than its last.
bool is_lifted(const std::vector<abi::CodeRange>& ranges, GuestAddr pc) {
    for (std::size_t i = 0; i + 1 < ranges.size(); ++i)
        if (pc - ranges[i].begin < ranges[i].bytes) return true;
    return false;
}

void Riscv64::lift(ir::Function& f, GuestAddr pc, abi::CodeSource& code, const abi::LiftOptions& options,
                   abi::Lifted& result) const {
    f.clear(pc);
    result.instructions = 0;
    result.ranges.clear();
    result.fetch_failed = false;
    Fetcher fetcher(code);
    u32 word;
    if (!fetcher.fetch(pc, word)) {
        result.fetch_failed = true;
        result.fault = fetcher.fault();
        return;
    }
    Lifter l(f, options, result.ranges);
    do {
        const Decoded d = decode(word);
        cover(result.ranges, pc, d.length);
        ++result.instructions;
        l.begin(pc, d.length);
        lift_functions[static_cast<std::size_t>(d.id)](l, d);
        if (l.ended()) return;
        pc = l.next();
    } while (result.instructions < options.max_instructions && !is_lifted(result.ranges, pc) &&
             fetcher.fetch(pc, word));
    l.end_at(pc);
}

std::string Riscv64::disassemble(std::span<const u8> code, GuestAddr pc, u32& length) const {
    u32 word = 0;
    std::memcpy(&word, code.data(), std::min<std::size_t>(code.size(), 4));
    const u32 needed = is_compressed(word) ? 2 : 4;
    length = code.size() < needed ? 0 : needed;
    return length == 0 ? std::string() : riscv64::disassemble(decode(word), pc);
}

}  // namespace

const abi::Frontend& frontend() {
    static constexpr Riscv64 instance;
    return instance;
}

}  // namespace kiln::riscv64
