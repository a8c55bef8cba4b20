#include "reference.h"

#include <vector>

#include "abi/helpers.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/softfp.h"
#include "ir/evaluate.h"

namespace kiln::test {

using namespace ir;
using abi::ExitReason;

namespace {

constexpr softfp::Format format_of(Type t) {
    return t == Type::f16 ? softfp::Format::f16 : t == Type::f32 ? softfp::Format::f32 : softfp::Format::f64;
}

u64 sign_extended(u128 value, Type type) {
    return static_cast<u64>(sign_extend(static_cast<u64>(value), bit_width(type)));
}

u64 replaced(Rmw rmw, Type type, u64 old, u64 operand) {
    const i64 a = static_cast<i64>(sign_extended(old, type)),
              b = static_cast<i64>(sign_extended(operand, type));
    switch (rmw) {
        case Rmw::swap: return operand;
        case Rmw::add: return old + operand;
        case Rmw::and_: return old & operand;
        case Rmw::or_: return old | operand;
        case Rmw::xor_: return old ^ operand;
        case Rmw::min_s: return a < b ? old : operand;
        case Rmw::max_s: return a < b ? operand : old;
        case Rmw::min_u: return old < operand ? old : operand;
        case Rmw::max_u: return old < operand ? operand : old;
    }
    KILN_UNREACHABLE();
}

class Evaluator {
  public:
    Evaluator(const Function& f, const irtool::GuestState& initial) : f_(f), values_(f.value_count()) {
        outcome_.state = initial;
        context_.fp_flags = 0;
    }

    irtool::Outcome run() {
        for (BlockId block{}; block != BlockId::none;) {
            EdgeId taken = EdgeId::none;
            for (ValueId id = f_[block].first; id != ValueId::none && !done_; id = f_[id].next) {
                const Inst& inst = f_[id];
                if (inst.op == Op::br)
                    taken = inst.edges[0];
                else if (inst.op == Op::br_if)
                    taken = inst.edges[arg(inst, 0) != 0 ? 0 : 1];
                else if (inst.op == Op::switch_)
                    taken = case_of(inst);
                else
                    step(id, inst);
            }
            if (done_) break;
            // All arguments are read before a parameter is written.
            std::vector<u128> args;
            for (ValueId v : f_.values(f_[taken].args)) args.push_back(value(v));
            block = f_[taken].target;
            for (std::size_t i = 0; i < args.size(); ++i) values_[index(f_[block].params[i])] = args[i];
        }
        return outcome_;
    }

  private:
    u128& value(ValueId v) { return values_[index(v)]; }
    u64 arg(const Inst& inst, unsigned i) { return static_cast<u64>(value(inst.args[i])); }
    Type arg_type(const Inst& inst) { return f_.result_type(inst.args[0]); }
    u64& slot(SlotId id) { return outcome_.state.slots[irtool::word_of(id)]; }

    u128 read_slot(SlotId id, Type type) {
        const u64* const words = &slot(id);
        if (byte_size(type) > 8) return static_cast<u128>(words[1]) << 64 | words[0];
        return words[0];
    }
    void write_slot(SlotId id, Type type, u128 value) {
        u64* const words = &slot(id);
        words[0] = static_cast<u64>(value);
        if (byte_size(type) > 8) words[1] = static_cast<u64>(value >> 64);
    }

    EdgeId case_of(const Inst& inst) {
        const auto values = f_.case_values(inst);
        for (std::size_t i = 0; i < values.size(); ++i)
            if (values[i] == arg(inst, 0)) return f_.edges_of(inst)[i + 1];
        return f_.edges_of(inst)[0];
    }

    void leave(ExitReason reason, const Inst& inst, u64 pc, bool completed) {
        done_ = true;
        outcome_.reason = reason;
        slot(f_.env().layout->pc) = pc;
        if (inst.origin != OriginId::none)
            outcome_.instructions = counted_ + index(inst.origin) + (completed ? 1 : 0);
    }

    /// Leaves at `inst` itself, with its frame state applied.
    void stop(ExitReason reason, const Inst& inst) {
        for (const FrameEntry& entry : f_.frame(inst.frame))
            write_slot(entry.slot, f_.result_type(entry.value), value(entry.value));
        leave(reason, inst, f_[inst.origin].raw, false);
    }

    void fault(const Inst& inst, u64 address, abi::FaultKind kind) {
        outcome_.fault = {GuestAddr(address), kind};
        stop(ExitReason::fault, inst);
    }

    /// The byte at `address`; null when it faults, and then the unit is left.
    u8* byte_at(const Inst& inst, u64 address) {
        const bool writes = inst.op != Op::load;
        if (inst.space == Space::mmu) {
            const u64 page = (address - irtool::mmu_begin) / irtool::window_bytes;
            if (page < irtool::mmu_pages && !(writes && page == irtool::mmu_pages - 1))
                return outcome_.state.memory.data() + address % irtool::window_bytes;
            const bool mapped = page < irtool::mmu_pages;
            fault(inst, address, mapped ? abi::FaultKind::protected_ : abi::FaultKind::unmapped);
            return nullptr;
        }
        if (address - irtool::window_begin < irtool::window_bytes)
            return outcome_.state.memory.data() + (address - irtool::window_begin);
        const bool reserved =
            address + irtool::reserved_below < irtool::reserved_below + irtool::reserved_above;
        fault(inst, address, reserved ? abi::FaultKind::protected_ : abi::FaultKind::unmapped);
        return nullptr;
    }

    /// The bytes of an access; false when it faults, and then the unit is left.
    bool access(const Inst& inst, u64 address, unsigned bytes, bool aligned, u8* (&at)[16]) {
        if (aligned && address % bytes != 0) {
            fault(inst, address, abi::FaultKind::misaligned);
            return false;
        }
        for (unsigned i = 0; i < bytes; ++i)
            if ((at[i] = byte_at(inst, address + i)) == nullptr) return false;
        return true;
    }

    void memory(ValueId id, const Inst& inst) {
        const unsigned bytes = byte_size(inst.type);
        const bool plain = inst.op == Op::load || inst.op == Op::store;
        const bool aligned = !plain || inst.order() != Order::relaxed;
        u8* at[16];
        if (!access(inst, arg(inst, 0) + (plain ? inst.imm : 0), bytes, aligned, at)) return;
        u128 old = 0, after = 0;
        for (unsigned i = 0; i < bytes; ++i) old |= u128{*at[i]} << 8 * i;
        if (inst.op == Op::load) {
            value(id) = old;
            return;
        }
        if (inst.op == Op::store) after = value(inst.args[1]);
        if (inst.op == Op::atomic_rmw)
            after = replaced(inst.rmw(), inst.type, static_cast<u64>(old), arg(inst, 1));
        if (inst.op == Op::atomic_cas) after = old == value(inst.args[1]) ? value(inst.args[2]) : old;
        for (unsigned i = 0; i < bytes; ++i) *at[i] = static_cast<u8>(after >> 8 * i);
        if (inst.op != Op::store) value(id) = old;
    }

    /// False when the operation has trapped because of its rounding.
    bool rounding(const Inst& inst, softfp::Context& context) {
        u64 mode = inst.attr0;
        if (inst.rounding() == Rounding::dyn) mode = slot(f_.env().layout->rounding);
        if (mode > 4) {
            stop(ExitReason::illegal, inst);
            return false;
        }
        context.rounding = softfp::Rounding(mode);
        return true;
    }

    void floating(ValueId id, const Inst& inst) {
        const softfp::Format format = format_of(inst.type);
        const unsigned count = arg_count(info(inst.op).shape);
        const u64 a = arg(inst, 0), b = count > 1 ? arg(inst, 1) : 0, c = count > 2 ? arg(inst, 2) : 0;
        const bool number = inst.min_max() == MinMax::number;
        softfp::Context context;
        if (info(inst.op).attrs[0] == AttrGroup::Rounding && !rounding(inst, context)) return;
        const auto int_type = [](Type t, bool is_signed) {
            if (t == Type::i32) return is_signed ? softfp::IntType::i32 : softfp::IntType::u32;
            return is_signed ? softfp::IntType::i64 : softfp::IntType::u64;
        };
        u64 r = 0;
        switch (inst.op) {
            case Op::fadd: r = softfp::add(format, a, b, context); break;
            case Op::fsub: r = softfp::sub(format, a, b, context); break;
            case Op::fmul: r = softfp::mul(format, a, b, context); break;
            case Op::fdiv: r = softfp::div(format, a, b, context); break;
            case Op::fsqrt: r = softfp::sqrt(format, a, context); break;
            case Op::fma: r = softfp::fma(format, a, b, c, context); break;
            case Op::fmin:
                r = number ? softfp::min_number(format, a, b, context)
                           : softfp::minimum(format, a, b, context);
                break;
            case Op::fmax:
                r = number ? softfp::max_number(format, a, b, context)
                           : softfp::maximum(format, a, b, context);
                break;
            case Op::fcmp:
                switch (inst.fp_cond()) {
                    case FpCond::eq: r = softfp::eq(format, a, b, context); break;
                    case FpCond::lt: r = softfp::lt(format, a, b, context); break;
                    case FpCond::le: r = softfp::le(format, a, b, context); break;
                    case FpCond::lt_quiet: r = softfp::lt_quiet(format, a, b, context); break;
                    case FpCond::le_quiet: r = softfp::le_quiet(format, a, b, context); break;
                }
                break;
            case Op::fcvt: r = softfp::convert(format_of(arg_type(inst)), format, a, context); break;
            case Op::fcvt_from_s:
                r = softfp::from_int(format, int_type(arg_type(inst), true), a, context);
                break;
            case Op::fcvt_from_u:
                r = softfp::from_int(format, int_type(arg_type(inst), false), a, context);
                break;
            case Op::fcvt_to_s:
                r = softfp::to_int(format_of(arg_type(inst)), a, int_type(inst.type, true), context);
                break;
            case Op::fcvt_to_u:
                r = softfp::to_int(format_of(arg_type(inst)), a, int_type(inst.type, false), context);
                break;
            case Op::fround:
                r = softfp::round_to_integral(format, a,
                                              inst.exactness() == Exactness::inexact
                                                  ? softfp::Inexact::raised
                                                  : softfp::Inexact::silent,
                                              context);
                break;
            default: KILN_UNREACHABLE();
        }
        value(id) = r;
        outcome_.state.fp_flags |= context.flags;
    }

    /// Lane by lane, with numbers wider than any lane.
    void vector(ValueId id, const Inst& inst) {
        const Type lane = lane_type(inst.lane());
        const unsigned width = bit_width(lane), count = 128 / width;
        const auto lane_at = [&](u128 v, u64 i) {
            return static_cast<u64>(v >> i * width) & type_mask(lane);
        };
        const u128 a = value(inst.args[0]), b = arg_count(info(inst.op).shape) > 1 ? value(inst.args[1]) : 0;
        if (inst.op == Op::vextract) {
            value(id) = lane_at(a, inst.imm);
            return;
        }
        u128 result = 0;
        for (unsigned i = 0; i < count; ++i) {
            const u64 x = lane_at(a, i), y = lane_at(b, i);
            const i64 sx = sign_extend(x, width), sy = sign_extend(y, width);
            const unsigned amount = static_cast<unsigned>(y % width);
            u64 r = 0;
            switch (inst.op) {
                case Op::vadd: r = x + y; break;
                case Op::vsub: r = x - y; break;
                case Op::vmul: r = x * y; break;
                case Op::vshl: r = x << amount; break;
                case Op::vshr: r = x >> amount; break;
                case Op::vsar: r = static_cast<u64>(sx >> amount); break;
                case Op::vmin_s: r = sx < sy ? x : y; break;
                case Op::vmax_s: r = sx < sy ? y : x; break;
                case Op::vmin_u: r = x < y ? x : y; break;
                case Op::vmax_u: r = x < y ? y : x; break;
                case Op::vcmp: {
                    const bool holds[] = {x == y, x != y, sx < sy, sx >= sy, x < y, x >= y};
                    r = holds[inst.attr1] ? ~u64{0} : 0;
                    break;
                }
                case Op::vand: r = x & y; break;
                case Op::vor: r = x | y; break;
                case Op::vxor: r = x ^ y; break;
                case Op::vandn: r = x & ~y; break;
                case Op::vshuffle: {
                    const u64 number = lane_at(value(inst.args[2]), i);
                    r = number < count       ? lane_at(a, number)
                        : number < 2 * count ? lane_at(b, number - count)
                                             : 0;
                    break;
                }
                case Op::vsplat: r = static_cast<u64>(a); break;
                case Op::vinsert: r = i == inst.imm ? static_cast<u64>(b) : x; break;
                default: KILN_UNREACHABLE();
            }
            result |= u128{r & type_mask(lane)} << i * width;
        }
        value(id) = result;
    }

    void call(ValueId id, const Inst& inst) {
        u64 words[2] = {};
        unsigned i = 0;
        for (ValueId v : f_.values(inst.list)) words[i++] = static_cast<u64>(value(v));
        if (f_.env()[inst.helper].effects.fp_env) {
            softfp::Context context;  // the one helper that raises flags
            value(id) = sign_extended(softfp::to_int32_modular(words[0], context), Type::i32);
            outcome_.state.fp_flags |= context.flags;
            return;
        }
        value(id) = abi::helper_functions[static_cast<u16>(inst.helper)](context_, words[0], words[1]);
    }

    void step(ValueId id, const Inst& inst) {
        switch (inst.op) {
            case Op::iconst: value(id) = inst.imm; return;
            case Op::get_state: value(id) = read_slot(inst.slot, inst.type); return;
            case Op::put_state: return write_slot(inst.slot, inst.type, value(inst.args[0]));
            case Op::select: value(id) = value(inst.args[arg(inst, 0) != 0 ? 1 : 2]); return;
            case Op::bitcast: value(id) = value(inst.args[0]); return;
            case Op::pair: value(id) = value(inst.args[1]) << 64 | arg(inst, 0); return;
            case Op::low: value(id) = arg(inst, 0); return;
            case Op::high: value(id) = value(inst.args[0]) >> 64; return;
            case Op::nan_box: value(id) = arg(inst, 0) | ~u64{0} << bit_width(arg_type(inst)); return;
            case Op::nan_unbox: {
                const u64 ones = ~u64{0} << bit_width(inst.type), bits = arg(inst, 0);
                value(id) =
                    (bits & ones) == ones ? bits & ~ones : softfp::canonical_nan(format_of(inst.type));
                return;
            }
            case Op::load:
            case Op::store:
            case Op::atomic_rmw:
            case Op::atomic_cas: return memory(id, inst);
            case Op::fence: return;
            case Op::fp_get_flags: value(id) = outcome_.state.fp_flags; return;
            case Op::fp_set_flags: outcome_.state.fp_flags = arg(inst, 0) & 31; return;
            case Op::call: return call(id, inst);
            case Op::guard:
                if (arg(inst, 0) != 0) return;
                outcome_.side_exit = inst.imm;
                return stop(ExitReason::side_exit, inst);
            case Op::count: counted_ += inst.imm; return;
            case Op::poll: return;  // nobody asks
            case Op::goto_pc: return leave(ExitReason::lookup, inst, inst.imm, true);
            case Op::goto_ind: return leave(ExitReason::lookup, inst, arg(inst, 0), true);
            case Op::syscall: return leave(ExitReason::syscall, inst, inst.imm, true);
            case Op::sync_code: return leave(ExitReason::sync_code, inst, inst.imm, true);
            case Op::trap:
                return leave(inst.trap() == Trap::illegal ? ExitReason::illegal : ExitReason::breakpoint,
                             inst, f_[inst.origin].raw, false);
            default: break;
        }
        if (info(inst.op).types == TypeRule::vec || inst.op == Op::vextract) return vector(id, inst);
        if (info(inst.op).types == TypeRule::fp || is_fp(arg_type(inst))) return floating(id, inst);
        const u64 b = arg_count(info(inst.op).shape) > 1 ? arg(inst, 1) : 0;
        const auto result = ir::evaluate(inst, arg_type(inst), arg(inst, 0), b);
        KILN_CHECK(result.has_value());
        value(id) = *result;
    }

    const Function& f_;
    std::vector<u128> values_;
    irtool::Outcome outcome_;
    abi::Context context_;
    bool done_ = false;
    u64 counted_ = 0;  // by `count`, of instructions
};

}  // namespace

irtool::Outcome evaluate(const Function& f, const irtool::GuestState& initial) {
    return Evaluator(f, initial).run();
}

}  // namespace kiln::test
