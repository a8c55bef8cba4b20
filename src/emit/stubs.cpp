#include "emit/stubs.h"

#include <algorithm>

#include "abi/helpers.h"
#include "emit/operands.h"
#include "emit/select.h"

namespace kiln::emit {

namespace x86 = asmjit::x86;

namespace {

constexpr bool survives_calls(u8 number) {  // System V AMD64 ABI, 3.2.1
    return number == 3 || number == 5 || (number >= 12 && number <= 15);
}

class Stubs {
  public:
    explicit Stubs(const ir::StateLayout& layout) : layout_(layout), pinned_(pinned_registers(layout)) {
        code_.init(asmjit::Environment::host());
        code_.attach(&a_);
    }

    abi::StubCode make() {
        abi::StubCode stubs;
        stubs.context_register = static_cast<u8>(number(context_register));
        stubs.context_bias = context_bias;
        stubs.budget_register = static_cast<u8>(number(budget_register));
        stubs.enter = here();
        enter();
        stubs.entered = here();
        a_.jmp(x86::rax);
        stubs.lookup = here();
        a_.mov(word(offsetof(abi::Context, link_site)), x86::rcx);
        a_.mov(x86::edx, static_cast<u32>(abi::ExitReason::lookup));
        stubs.leave = here();  // lookup runs into it
        a_.mov(word(layout_[layout_.pc].offset), x86::rax);
        store_pinned(true);
        a_.mov(word(offsetof(abi::Context, budget)), x86::r14);
        stubs.leave_saved = here();
        leave();
        stubs.call = here();
        call();
        const asmjit::CodeBuffer& buffer = code_.textSection()->buffer();
        stubs.bytes.assign(buffer.data(), buffer.data() + buffer.size());
        return stubs;
    }

  private:
    u32 here() { return static_cast<u32>(a_.offset()); }
    x86::Mem word(std::size_t offset) {
        return x86::qword_ptr(x86::r15, static_cast<i32>(offset) - context_bias);
    }

    /// The host registers that a C function must keep, in the order of pushing.
    static constexpr Reg kept[] = {rbx, rbp, r12, r13, r14, r15};

    void enter() {
        for (Reg r : kept) a_.push(gpq(r));
        a_.sub(x86::rsp, 8);  // aligned to 16
        a_.lea(x86::r15, x86::ptr(x86::rsi, context_bias));
        a_.mov(x86::rax, x86::rdi);
        // MXCSR is as host_fp::reset_environment() sets it.
        a_.mov(x86::qword_ptr(x86::r15, rounding_disp), 0);
        a_.mov(x86::qword_ptr(x86::r15, rounding_disp + 8), 0);
        load_pinned(true);
        a_.mov(x86::r14, word(offsetof(abi::Context, budget)));
    }

    void leave() {
        const asmjit::Label nearest = a_.newLabel();
        a_.mov(x86::eax, x86::edx);
        a_.cmp(x86::qword_ptr(x86::r15, rounding_disp), 0);
        a_.je(nearest);
        const x86::Mem mxcsr = x86::dword_ptr(x86::r15, mxcsr_disp);
        a_.stmxcsr(mxcsr);
        a_.and_(mxcsr, ~0x6000);
        a_.ldmxcsr(mxcsr);
        a_.bind(nearest);
        a_.add(x86::rsp, 8);
        for (std::size_t i = std::size(kept); i-- > 0;) a_.pop(gpq(kept[i]));
        a_.ret();
    }

    void call() {
        a_.sub(x86::rsp, 8);  // aligned to 16 again
        store_pinned(false);
        a_.mov(word(offsetof(abi::Context, budget)), x86::r14);
        a_.mov(x86::ecx, x86::eax);
        a_.lea(x86::rdi, x86::ptr(x86::r15, -context_bias));
        a_.mov(x86::rsi, x86::qword_ptr(x86::r15, call_arguments_disp));
        a_.mov(x86::rdx, x86::qword_ptr(x86::r15, call_arguments_disp + 8));
        a_.mov(x86::rax, reinterpret_cast<u64>(abi::helper_functions.data()));
        a_.call(x86::qword_ptr(x86::rax, x86::rcx, 3));
        a_.mov(x86::qword_ptr(x86::r15, call_result_disp), x86::rax);
        load_pinned(false);
        a_.mov(x86::r14, word(offsetof(abi::Context, budget)));
        a_.add(x86::rsp, 8);
        a_.ret();
    }

    /// All of them, or those that a C function may change.
    void store_pinned(bool all) {
        for (const abi::PinnedRegister& p : pinned_) {
            if (p.number >= 16)
                a_.movsd(word(p.offset), x86::xmm(p.number - 16u));
            else if (all || !survives_calls(p.number))
                a_.mov(word(p.offset), x86::gpq(p.number));
        }
    }
    void load_pinned(bool all) {
        for (const abi::PinnedRegister& p : pinned_) {
            if (p.number >= 16)
                a_.movsd(x86::xmm(p.number - 16u), word(p.offset));
            else if (all || !survives_calls(p.number))
                a_.mov(x86::gpq(p.number), word(p.offset));
        }
    }

    const ir::StateLayout& layout_;
    const std::vector<abi::PinnedRegister> pinned_;
    asmjit::CodeHolder code_;
    x86::Assembler a_;
};

}  // namespace

std::vector<abi::PinnedRegister> pinned_registers(const ir::StateLayout& layout) {
    std::vector<abi::PinnedRegister> pinned;
    const auto add = [&](std::span<const ir::SlotId> slots, const auto& registers) {
        for (std::size_t i = 0; i < std::min(slots.size(), registers.size()); ++i)
            pinned.push_back({static_cast<u8>(number(registers[i])), layout[slots[i]].offset});
    };
    add(layout.hot_integer, pinned_integer);
    add(layout.hot_fp, pinned_fp);
    return pinned;
}

abi::StubCode make_stubs(const ir::StateLayout& layout) { return Stubs(layout).make(); }

}  // namespace kiln::emit
