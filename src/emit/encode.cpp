#include "emit/encode.h"

#include <algorithm>

#include "base/check.h"
#include "emit/encode_state.h"

namespace kiln::emit {
namespace {

constexpr i64 jump_cache_mask = (abi::jump_cache_entries - 1) << 1;
static_assert(sizeof(abi::JumpCacheEntry) == 16, "the index is the address's bits 1 and up, times 16");

/// Whether `test` looks at a result whose flags `before` has left already.
bool is_tested_by(const MachineInst& before, const MachineInst& test) {
    if (test.op != MachineOp::test || test.r[0] != test.r[1] || test.r[0] != before.r[0]) return false;
    if ((before.width == 8) != (test.width == 8)) return false;
    switch (before.op) {
        case MachineOp::and_:
        case MachineOp::or_:
        case MachineOp::xor_:
        case MachineOp::and_imm:
        case MachineOp::or_imm:
        case MachineOp::xor_imm:
        case MachineOp::and_mem:
        case MachineOp::or_mem:
        case MachineOp::xor_mem:
        case MachineOp::andn: return true;
        default: return false;
    }
}

}  // namespace

Encoder::Encoder(const HostFeatures& features, const EmitOptions& options)
    : state_(std::make_unique<State>(features, options)) {}
Encoder::~Encoder() = default;

Result<void> Encoder::encode(const MachineFunction& f, bool counts, abi::UnitCode& out) {
    out.clear();
    const auto is_wide = [](const MachineInst& inst) { return inst.width == 16; };
    if (state_->options.log_accesses && std::ranges::any_of(f.code, is_wide))
        return fail("the access log has no accesses of 16 bytes");
    state_->encode(f, counts, out);
    return {};
}

void Encoder::State::encode(const MachineFunction& function, bool counts, abi::UnitCode& unit) {
    f = &function;
    out = &unit;
    code.reset();
    code.init(asmjit::Environment::host());
    code.attach(&a);
    logger.clear();
    if (options.listing) {
        logger.addFlags(asmjit::FormatFlags::kMachineCode | asmjit::FormatFlags::kHexImms |
                        asmjit::FormatFlags::kHexOffsets);
        code.setLogger(&logger);
    }
    blocks.assign(function.predecessors.size(), Label());
    begin = a.newLabel();
    a.bind(begin);
    colds.clear();
    constants.clear();

    constexpr u8 nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    a.embed(nop5, sizeof nop5);
    forward = a.newLabel();
    counting = counts;
    if (counts) count_entry();
    if (function.region) shorten_ways();
    const std::vector<MachineInst>& all = function.code;
    const auto is_next = [&](std::size_t i, u32 block) {
        return i + 1 < all.size() && all[i + 1].op == MachineOp::label && all[i + 1].target == block;
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
        const MachineInst& inst = all[i];
        if (inst.op == MachineOp::jump && is_next(i, inst.target)) continue;
        if (i > 0 && is_tested_by(all[i - 1], inst)) continue;
        // A way back that polls is one branch while nobody asks for anything.
        if (inst.op == MachineOp::jump_if && inst.cond == Condition::sign && i + 1 < all.size() &&
            all[i + 1].op == MachineOp::jump && !is_next(i + 1, all[i + 1].target)) {
            a.jns(way_to(all[i + 1].target));
            a.jmp(way_to(inst.target));
            ++i;
            continue;
        }
        options.log_accesses ? logged(inst) : instruction(inst);
    }
    for (std::size_t i = 0; i < colds.size(); ++i) {  // a cold path may bring more
        const std::function<void()> cold = std::move(colds[i]);
        cold();
    }
    unit.forward = static_cast<u32>(a.offset());
    a.bind(forward);
    a.mov(x86::rax, function.entry.raw);
    a.xor_(x86::ecx, x86::ecx);
    go_to_stub(abi::Stub::lookup);
    if (!constants.empty()) {
        a.align(asmjit::AlignMode::kData, 16);
        for (const Constant& c : constants) {
            a.bind(c.label);
            a.embedUInt64(c.low);
            a.embedUInt64(0);
        }
    }
    unit.places = function.places;
    const asmjit::CodeBuffer& buffer = code.textSection()->buffer();
    unit.listing.assign(logger.data(), logger.dataSize());
    unit.bytes.assign(buffer.data(), buffer.data() + buffer.size());
}

/// Lets ways to blocks that only go on elsewhere lead there.
void Encoder::State::shorten_ways() {
    through.resize(blocks.size());
    for (u32 b = 0; b < through.size(); ++b) through[b] = b;
    for (std::size_t i = 0; i + 1 < f->code.size(); ++i)
        if (f->code[i].op == MachineOp::label && f->code[i + 1].op == MachineOp::jump)
            through[f->code[i].target] = f->code[i + 1].target;
}

Label& Encoder::State::way_to(u32 block) {
    // A row of blocks that is a loop ends somewhere in it.
    for (std::size_t most = blocks.size(); f->region && through[block] != block && most > 0; --most)
        block = through[block];
    Label& label = blocks[block];
    if (!label.isValid()) label = a.newLabel();
    return label;
}

void Encoder::State::count_entry() {
    a.mov(x86::rax, context(offsetof(abi::Context, entry_counters), 8));
    // The displacement is the engine's to set; it is there whatever its value.
    constexpr u8 dec_dword_rax_disp32[] = {0xff, 0x88};
    a.embed(dec_dword_rax_disp32, sizeof dec_dword_rax_disp32);
    out->counter_site = static_cast<u32>(a.offset());
    a.embedUInt32(0);
    a.long_().js(forward);
}

x86::Mem Encoder::State::constant(u64 low, u8 bytes) {
    for (const Constant& c : constants)
        if (c.low == low) return x86::ptr(c.label, 0, bytes);
    constants.push_back({low, a.newLabel()});
    return x86::ptr(constants.back().label, 0, bytes);
}

x86::Mem Encoder::State::address(const MachineInst& inst, u8 bytes) {
    const Address& m = inst.mem;
    x86::Mem mem;
    if (m.base == Reg::none && m.index == Reg::none)
        mem = x86::ptr(static_cast<u64>(static_cast<i64>(m.disp)), bytes);
    else if (m.index == Reg::none)
        mem = x86::ptr(gpq(m.base), m.disp, bytes);
    else if (m.base == Reg::none)
        mem = x86::ptr(0, gpq(m.index), m.scale, bytes), mem.setOffset(m.disp);
    else
        mem = x86::ptr(gpq(m.base), gpq(m.index), m.scale, m.disp, bytes);
    if (m.memory == Memory::guest && !options.flat) mem.setSegment(x86::gs);
    return mem;
}

void Encoder::State::instruction(const MachineInst& inst) {
    switch (inst.op) {
        case MachineOp::load:
        case MachineOp::load_signed:
        case MachineOp::store:
        case MachineOp::store_imm:
        case MachineOp::lea:
        case MachineOp::fload:
        case MachineOp::fstore: return memory(inst);

        case MachineOp::mov:
        case MachineOp::mov_imm:
        case MachineOp::add:
        case MachineOp::sub:
        case MachineOp::and_:
        case MachineOp::or_:
        case MachineOp::xor_:
        case MachineOp::add_imm:
        case MachineOp::sub_imm:
        case MachineOp::and_imm:
        case MachineOp::or_imm:
        case MachineOp::xor_imm:
        case MachineOp::add_mem:
        case MachineOp::sub_mem:
        case MachineOp::and_mem:
        case MachineOp::or_mem:
        case MachineOp::xor_mem:
        case MachineOp::andn:
        case MachineOp::neg:
        case MachineOp::not_:
        case MachineOp::imul:
        case MachineOp::imul_imm:
        case MachineOp::mul_wide_u:
        case MachineOp::mul_wide_s:
        case MachineOp::shl_imm:
        case MachineOp::shr_imm:
        case MachineOp::sar_imm:
        case MachineOp::ror_imm:
        case MachineOp::rorx:
        case MachineOp::shl:
        case MachineOp::shr:
        case MachineOp::sar:
        case MachineOp::shl_by:
        case MachineOp::shr_by:
        case MachineOp::sar_by:
        case MachineOp::rol:
        case MachineOp::ror:
        case MachineOp::extend_u:
        case MachineOp::extend_s:
        case MachineOp::bswap:
        case MachineOp::clz:
        case MachineOp::ctz:
        case MachineOp::popcnt:
        case MachineOp::cmp:
        case MachineOp::cmp_imm:
        case MachineOp::cmp_mem:
        case MachineOp::test_imm:
        case MachineOp::test:
        case MachineOp::set:
        case MachineOp::move_if: return integer(inst);
        case MachineOp::divide_u:
        case MachineOp::divide_s: return divide(inst);

        case MachineOp::lock_xadd:
        case MachineOp::xchg:
        case MachineOp::cmpxchg:
        case MachineOp::rmw:
        case MachineOp::full_fence:
        case MachineOp::check_aligned: return atomic(inst);

        case MachineOp::load_wide:
        case MachineOp::store_wide:
        case MachineOp::cmpxchg_wide: return wide(inst);

        case MachineOp::fmov:
        case MachineOp::to_vector:
        case MachineOp::from_vector:
        case MachineOp::fadd:
        case MachineOp::fsub:
        case MachineOp::fmul:
        case MachineOp::fdiv:
        case MachineOp::fsqrt:
        case MachineOp::fma:
        case MachineOp::canonical_nan:
        case MachineOp::fmin:
        case MachineOp::fmax:
        case MachineOp::fcmp:
        case MachineOp::fround:
        case MachineOp::fwiden:
        case MachineOp::fnarrow:
        case MachineOp::from_int:
        case MachineOp::from_unsigned:
        case MachineOp::to_int:
        case MachineOp::to_unsigned:
        case MachineOp::box:
        case MachineOp::unbox:
        case MachineOp::read_mxcsr:
        case MachineOp::clear_mxcsr:
        case MachineOp::set_rounding:
        case MachineOp::restore_rounding:
        case MachineOp::clmul:
        case MachineOp::aes: return floating(inst);

        case MachineOp::label: {
            Label& block = blocks[inst.target];
            if (!block.isValid()) block = a.newLabel();
            a.bind(block);
            return;
        }
        case MachineOp::jump:
        case MachineOp::jump_if: {
            const Label& block = way_to(inst.target);
            inst.op == MachineOp::jump ? a.jmp(block) : a.j(code_of(inst.cond), block);
            return;
        }
        case MachineOp::exit_if: {
            if (loops(f->exits[inst.target])) {
                const Label other = a.newLabel();
                a.j(code_of(opposite(inst.cond)), other);
                take_exit(inst.target);
                a.bind(other);
                return;
            }
            const Label cold = a.newLabel();
            a.j(code_of(inst.cond), cold);
            later([this, cold, number = inst.target] {
                a.bind(cold);
                take_exit(number);
            });
            return;
        }
        case MachineOp::exit_direct: return take_exit(inst.target);
        case MachineOp::exit_indirect: return take_exit(inst.target, inst.r[0], inst.r[1]);
        case MachineOp::call_helper:
            a.mov(x86::eax, inst.imm);
            a.embedUInt8(0xe8);
            out->relocations.push_back({static_cast<u32>(a.offset()), abi::Stub::call});
            a.embedUInt32(0);
            return;
        case MachineOp::entry_guard: return guard_rounding(static_cast<i32>(inst.imm));
        case MachineOp::side_exit:
        case MachineOp::set_param: KILN_UNREACHABLE();  // the allocators'
    }
}

void Encoder::State::memory(const MachineInst& inst) {
    const u8 w = inst.width;
    const x86::Mem mem = address(inst, w);
    if (inst.op == MachineOp::lea) {
        a.lea(sized(inst.r[0], w), mem);
        return;
    }
    fault_point(inst);
    const auto move_float = [&](const auto& to, const auto& from) {
        if (features.avx)
            w == 4 ? a.vmovss(to, from) : a.vmovsd(to, from);
        else
            w == 4 ? a.movss(to, from) : a.movsd(to, from);
    };
    switch (inst.op) {
        case MachineOp::load:
            if (w < 4)
                a.movzx(gpd(inst.r[0]), mem);
            else
                a.mov(sized(inst.r[0], w), mem);
            return;
        case MachineOp::load_signed:
            if (w == 4)
                a.movsxd(gpq(inst.r[0]), mem);
            else if (w < 4)
                a.movsx(gpq(inst.r[0]), mem);
            else
                a.mov(gpq(inst.r[0]), mem);
            return;
        case MachineOp::store: a.mov(mem, sized(inst.r[0], w)); return;
        case MachineOp::store_imm: a.mov(mem, inst.imm); return;
        case MachineOp::fload: return move_float(vec(inst.r[0]), mem);
        case MachineOp::fstore: return move_float(mem, vec(inst.r[0]));
        default: KILN_UNREACHABLE();
    }
}

// ---- Exits ----

void Encoder::State::go_to_stub(abi::Stub stub) {
    a.embedUInt8(0xe9);
    out->relocations.push_back({static_cast<u32>(a.offset()), stub});
    a.embedUInt32(0);
}

void Encoder::State::leave(abi::ExitReason reason) {
    a.mov(x86::edx, static_cast<u32>(reason));
    go_to_stub(abi::Stub::leave);
}

/// A region says so, for the engine to know where the guest spends its time.
void Encoder::State::poll() {
    if (f->region) {
        a.mov(x86::rcx, f->entry.raw);
        a.mov(context(offsetof(abi::Context, exit_detail), 8), x86::rcx);
    }
    leave(abi::ExitReason::poll);
}

void Encoder::State::take_exit(u32 number, Reg target, Reg scratch) {
    const Exit& exit = f->exits[number];
    if (exit.retired != 0) a.sub(x86::r14, exit.retired);
    if (exit.kind == Exit::Kind::leave) {
        a.mov(x86::rax, exit.pc);
        return exit.reason == abi::ExitReason::poll ? poll() : leave(exit.reason);
    }
    if (loops(exit)) {
        // By the entry, where who must not run the unit any more is sent elsewhere.
        a.jns(begin);
        a.mov(x86::rax, exit.pc);
        return poll();
    }
    // A unit that counts leaves soon anyway, and most code in a store is such.
    const bool polls = !counting || f->region;
    const Label polling = a.newLabel();
    if (polls) {
        if (exit.retired == 0) a.test(x86::r14, x86::r14);
        a.js(polling);
    }
    const bool indirect = exit.kind == Exit::Kind::indirect;
    if (options.count_jumps)
        a.inc(context(
            indirect ? offsetof(abi::Context, indirect_jumps) : offsetof(abi::Context, direct_jumps), 8));
    if (indirect) {
        const x86::Gp to = gpq(target), entry = gpq(scratch);
        const Label miss = a.newLabel();
        a.mov(entry.r32(), to.r32());
        a.and_(entry.r32(), jump_cache_mask);
        a.shl(entry.r32(), 3);
        a.add(entry, context(offsetof(abi::Context, jump_cache), 8));
        a.cmp(x86::qword_ptr(entry, offsetof(abi::JumpCacheEntry, pc)), to);
        a.jne(miss);
        a.jmp(x86::qword_ptr(entry, offsetof(abi::JumpCacheEntry, entry)));
        later([=, this] {
            a.bind(miss);
            if (to != x86::rax) a.mov(x86::rax, to);
            a.xor_(x86::ecx, x86::ecx);
            go_to_stub(abi::Stub::lookup);
            if (!polls) return;
            a.bind(polling);
            if (to != x86::rax) a.mov(x86::rax, to);
            poll();
        });
        return;
    }
    // The distance is patched when the exit is linked: in one aligned store.
    while ((a.offset() + 1) % 4 != 0) a.nop();
    const Label jump = a.newLabel(), unlinked = a.newLabel();
    a.bind(jump);
    a.long_().jmp(unlinked);
    later([=, this, pc = exit.pc] {
        a.bind(unlinked);
        out->links.push_back(
            {static_cast<u32>(code.labelOffset(jump)) + 1, static_cast<u32>(a.offset()), GuestAddr(pc)});
        a.lea(x86::rcx, x86::ptr(jump, 1));
        a.mov(x86::rax, pc);
        go_to_stub(abi::Stub::lookup);
        if (!polls) return;
        a.bind(polling);
        a.mov(x86::rax, pc);
        poll();
    });
}

}  // namespace kiln::emit
