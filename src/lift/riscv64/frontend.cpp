// Forming units: fetching, decoding and lifting one instruction after another until something ends the unit.
// What ends it is in lifter.h (branches and jumps) and in the lift functions.
#include "lift/riscv64/frontend.h"

#include <bit>
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
    bool take_apart(std::span<const u8> code, abi::ShapedInstruction& result) const override;
    bool resolve_jump(abi::ShapedInstruction& instruction, const abi::KnownWords& known) const override;
    abi::LiftedOne lift_one(ir::Function& f, const abi::ShapedInstruction& instruction, GuestAddr pc,
                            u32 position, const abi::LiftOptions& options) const override;
    std::string disassemble(std::span<const u8> code, GuestAddr pc, u32& length) const override;
};

void Riscv64::lift(ir::Function& f, GuestAddr pc, abi::CodeSource& code, const abi::LiftOptions& options,
                   abi::Lifted& result) const {
    f.clear(pc);
    result.instructions = 0;
    abi::Extent extent(result.ranges);
    result.fetch_failed = false;
    Fetcher fetcher(code);
    u32 word;
    if (!fetcher.fetch(pc, word)) {
        result.fetch_failed = true;
        result.fault = fetcher.fault();
        return;
    }
    Lifter l(f, options, extent);
    do {
        const Decoded d = decode(word);
        extent.cover(pc, d.length);
        ++result.instructions;
        l.begin(pc, d.length);
        lift_functions[static_cast<std::size_t>(d.id)](l, d);
        if (l.ended()) return;
        pc = l.next();
    } while (result.instructions < options.max_instructions && !options.stops_at(pc) &&
             !extent.is_covered(pc) && fetcher.fetch(pc, word));
    l.end_at(pc);
}

// ---- Shapes ----

/// A shape in bits. What is not here and not in the operands must not matter to a lift function.
struct ShapeBits {
    u64 lift_as : 16;
    u64 length : 8;
    u64 zero_registers : 4;   // rd, rs1, rs2, rs3
    u64 equal_registers : 6;  // each with each other
    u64 imm_sign : 2;         // 0: zero, 1: positive, 2: negative
    u64 imm_chooses : 1;
    u64 base_known : 1;  // jalr: rs1 holds the immediate, which stands for the target
    u64 rm : 3;
    u64 aq_rl : 2;
    u64 choice : 16;  // the immediate, if it chooses
    u64 unused : 5;
};
static_assert(sizeof(ShapeBits) == sizeof(u64));

/// A bit for each byte of `x`, which are all below 0x80: whether it is 0.
constexpr u64 zero_bytes(u64 x) {
    constexpr u64 tops = 0x8080'8080'8080'8080;
    return (((tops - x) & tops) >> 7) * 0x0102'0408'1020'4080 >> 56;
}

bool Riscv64::take_apart(std::span<const u8> code, abi::ShapedInstruction& result) const {
    u32 word = 0;
    if (code.size() >= 4) [[likely]]
        std::memcpy(&word, code.data(), 4);
    else
        std::memcpy(&word, code.data(), code.size());
    if (code.size() < (is_compressed(word) ? 2 : 4)) return false;
    const Decoded d = decode(word);
    // A jump to a constant drops its lowest bit: the target does not simply follow the immediate.
    const bool chooses = d.imm_chooses || (d.lift_as == InstId::jalr && d.rs1 == 0);
    // A byte each, so that they are compared all at once.
    const u32 registers = d.rd | u32{d.rs1} << 8 | u32{d.rs2} << 16 | u32{d.rs3} << 24;
    const u32 neighbours = registers ^ std::rotl(registers, 8),
              opposites = registers ^ std::rotl(registers, 16);
    const u64 zeros = zero_bytes(registers | u64{neighbours} << 32);
    const ShapeBits bits{
        .lift_as = static_cast<u16>(d.lift_as),
        .length = d.length,
        .zero_registers = zeros & 15,
        .equal_registers = zeros >> 4 | (zero_bytes(opposites) & 3) << 4,
        .imm_sign = u64{d.imm > 0} | u64{d.imm < 0} << 1,
        .imm_chooses = chooses,
        .base_known = 0,
        .rm = d.rm,
        .aq_rl = d.aq_rl,
        .choice = chooses ? static_cast<u16>(d.imm) : u16{0},
        .unused = 0,
    };
    result.shape = std::bit_cast<u64>(bits);
    result.length = d.length;
    std::memcpy(result.registers, &registers, sizeof registers);
    result.immediate = chooses ? 0 : d.imm;
    return true;
}

bool Riscv64::resolve_jump(abi::ShapedInstruction& instruction, const abi::KnownWords& known) const {
    auto bits = std::bit_cast<ShapeBits>(instruction.shape);
    const u8 base = instruction.registers[1];
    if (static_cast<InstId>(bits.lift_as) != InstId::jalr || base == 0) return false;
    const auto value = known.find(static_cast<u16>(layout[x_slot(base)].offset / 8));
    if (!value) return false;
    const u64 target = *value + static_cast<u64>(instruction.immediate);
    if (target % 2 != 0 || target == 0) return false;
    bits.base_known = 1;
    bits.imm_sign = static_cast<i64>(target) < 0 ? 2 : 1;
    instruction.shape = std::bit_cast<u64>(bits);
    instruction.immediate = static_cast<i64>(target);
    return true;
}

abi::LiftedOne Riscv64::lift_one(ir::Function& f, const abi::ShapedInstruction& instruction, GuestAddr pc,
                                 u32 position, const abi::LiftOptions& options) const {
    const auto bits = std::bit_cast<ShapeBits>(instruction.shape);
    const auto lift_as = static_cast<InstId>(bits.lift_as);
    Decoded d{
        .id = lift_as,
        .lift_as = lift_as,
        .length = static_cast<u8>(bits.length),
        .rd = instruction.registers[0],
        .rs1 = instruction.registers[1],
        .rs2 = instruction.registers[2],
        .rs3 = instruction.registers[3],
        .rm = static_cast<u8>(bits.rm),
        .aq_rl = static_cast<u8>(bits.aq_rl),
        .imm_chooses = bits.imm_chooses != 0,
        .imm = bits.imm_chooses ? static_cast<i16>(bits.choice) : static_cast<i32>(instruction.immediate),
    };
    f.clear(pc);
    std::vector<abi::CodeRange> ranges;
    abi::Extent extent(ranges);
    Lifter l(f, options, extent);
    for (u32 before = 0; before < position; ++before) l.begin(pc, 0);
    l.begin(pc, d.length);
    if (bits.base_known) {
        l.know(d.rs1, static_cast<u64>(instruction.immediate));
        d.imm = 0;
    }
    lift_functions[bits.lift_as](l, d);
    if (l.ended()) return {true, {}};
    l.end_at(l.next());
    return {false, l.next()};
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
