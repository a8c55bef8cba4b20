// riscv64 as Linux user mode sees it: the calling convention of system calls, and what it says of itself.
#include "linux/riscv64/arch.h"

#include <cstring>

#include "abi/riscv64/state.h"

namespace kiln::user {
namespace {

using riscv64::State;

// Register numbers of the calling convention (riscv-elf-psabi).
enum : unsigned { ra = 1, sp = 2, tp = 4, a0 = 10, a1 = 11, a2 = 12, a7 = 17 };

/// AT_HWCAP has a bit for each single-letter extension: IMAFDC.
constexpr u64 letters(std::string_view extensions) {
    u64 bits = 0;
    for (char letter : extensions) bits |= u64{1} << (letter - 'a');
    return bits;
}

/// li a7, 139 (rt_sigreturn); ecall
constexpr std::string_view sigreturn_code("\x93\x08\xb0\x08\x73\x00\x00\x00", 8);

constexpr u16 em_riscv = 243;

constexpr ElfTarget target{em_riscv, "riscv64", "", letters("imafdc"), 0, sigreturn_code};

class Riscv64 final : public Arch {
  public:
    const ElfTarget& elf_target() const override { return target; }

    std::string cpuinfo(unsigned harts) const override {
        std::string text;
        for (unsigned hart = 0; hart < harts; ++hart) {
            std::string number = std::to_string(hart);
            text.append("processor\t: ").append(number).append("\nhart\t\t: ").append(number);
            text.append(
                "\nisa\t\t: rv64imafdc_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintntl_"
                "zihintpause_zimop_zaamo_zabha_zacas_zalrsc_zawrs_zfa_zfh_zfhmin_zca_zcb_zcd_zcmop_"
                "zba_zbb_zbc_zbkb_zbkc_zbkx_zbs_zkn_zknd_zkne_zknh_zks_zksed_zksh_zkt\n");
            text.append("mmu\t\t: sv39\nuarch\t\t: kiln\n\n");
        }
        return text;
    }

    abi::Context* new_state() const override { return &(new State)->context; }
    void delete_state(abi::Context* context) const override { delete &riscv64_state(*context); }
    void copy_state(abi::Context& to, const abi::Context& from) const override {
        State& copy = riscv64_state(to);
        const State& original = riscv64_state(from);
        copy.context = original.context;
        std::memcpy(copy.x, original.x, sizeof copy.x);
        std::memcpy(copy.f, original.f, sizeof copy.f);
        copy.pc = original.pc;
        copy.frm = original.frm;
        copy.lr_addr = ~u64{0};
    }

    GuestAddr pc(const abi::Context& context) const override { return GuestAddr(riscv64_state(context).pc); }
    void set_pc(abi::Context& context, GuestAddr pc) const override { riscv64_state(context).pc = pc.raw; }
    GuestAddr stack_pointer(const abi::Context& context) const override {
        return GuestAddr(riscv64_state(context).x[sp]);
    }
    void set_stack_pointer(abi::Context& context, GuestAddr address) const override {
        riscv64_state(context).x[sp] = address.raw;
    }
    void set_tls(abi::Context& context, GuestAddr tls) const override {
        riscv64_state(context).x[tp] = tls.raw;
    }

    u64 call_number(const abi::Context& context) const override { return riscv64_state(context).x[a7]; }
    Args call_args(const abi::Context& context) const override {
        Args args;
        std::memcpy(args.data(), &riscv64_state(context).x[a0], sizeof args);
        return args;
    }
    void set_call_result(abi::Context& context, i64 result) const override {
        riscv64_state(context).x[a0] = static_cast<u64>(result);
    }
    void rewind_call(abi::Context& context) const override { riscv64_state(context).pc -= 4; }

    // riscv64 uses the generic numbers, and so does x86-64.
    int open_flags_to_host(int flags) const override { return flags; }
    int open_flags_to_guest(int flags) const override { return flags; }

    u64 signal_frame_bytes() const override { return riscv64_frame_bytes; }
    bool push_signal_frame(abi::Context& context, mem::AddressSpace& memory, GuestAddr stack_top, int signal,
                           const siginfo_t& info, const SignalAction& action, GuestAddr return_code,
                           SignalMask interrupted_mask, const AltStack& altstack) const override {
        State& state = riscv64_state(context);
        std::optional<GuestAddr> frame =
            push_riscv64_frame(state, memory, stack_top, info, interrupted_mask, altstack);
        if (!frame) return false;
        state.pc = action.handler & ~u64{1};
        state.x[ra] = return_code.raw;
        state.x[sp] = frame->raw;
        state.x[a0] = static_cast<u64>(signal);
        state.x[a1] = frame->raw + riscv64_frame_info;
        state.x[a2] = frame->raw + riscv64_frame_context;
        state.lr_addr = ~u64{0};
        return true;
    }

    bool pop_signal_frame(abi::Context& context, mem::AddressSpace& memory, SignalMask& mask,
                          AltStack& altstack) const override {
        State& state = riscv64_state(context);
        state.lr_addr = ~u64{0};
        return pop_riscv64_frame(state, memory, GuestAddr(state.x[sp]), mask, altstack);
    }
};

}  // namespace

const Arch& riscv64_arch() {
    static const Riscv64 arch;
    return arch;
}

}  // namespace kiln::user
