// What the files of the encoder share: encode.cpp has memory and exits, encode_integer.cpp and encode_fp.cpp the
// operations, encode_wide.cpp accesses of 16 bytes, encode_log.cpp the access log.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "emit/encode.h"
#include "emit/operands.h"
#include "emit/select.h"

namespace kiln::emit {

namespace x86 = asmjit::x86;
using asmjit::Label;
using x86::CondCode;

inline CondCode code_of(Condition c) {
    constexpr CondCode codes[] = {CondCode::kO, CondCode::kNO, CondCode::kB,  CondCode::kAE,
                                  CondCode::kE, CondCode::kNE, CondCode::kBE, CondCode::kA,
                                  CondCode::kS, CondCode::kNS, CondCode::kP,  CondCode::kNP,
                                  CondCode::kL, CondCode::kGE, CondCode::kLE, CondCode::kG};
    return codes[static_cast<u8>(c)];
}

struct Encoder::State {
    State(const HostFeatures& f, const EmitOptions& o) : features(f), options(o) {}

    void encode(const MachineFunction& f, bool counts, abi::UnitCode& out);
    void count_entry();
    void shorten_ways();
    /// Where a jump to a block goes.
    Label& way_to(u32 block);
    void instruction(const MachineInst& inst);
    /// instruction() with what the access log asks for around it (encode_log.cpp).
    void logged(const MachineInst& inst);
    void log_access(const MachineInst& inst);
    void log_loaded(const MachineInst& inst, Reg loaded);
    void log_result(const MachineInst& inst);
    void memory(const MachineInst& inst);
    void integer(const MachineInst& inst);
    void divide(const MachineInst& inst);
    void atomic(const MachineInst& inst);
    void wide(const MachineInst& inst);
    void floating(const MachineInst& inst);
    void vector_binary(const MachineInst& inst, asmjit::InstId single_id, asmjit::InstId double_id);
    void vector_unary(const MachineInst& inst, asmjit::InstId single_id, asmjit::InstId double_id);
    void aes(const MachineInst& inst);
    void extreme(const MachineInst& inst);
    void compare_floats(const MachineInst& inst);
    void to_integer(const MachineInst& inst);
    void guard_rounding(i32 mode_disp);
    void change_mxcsr(u32 keep, std::optional<x86::Gp> set, u32 set_bits);
    void canonical_nan(const x86::Xmm& reg, u8 width);
    /// Whether an exit goes on at the unit's own start, without a link. What looks at every jump or unit wants links.
    bool loops(const Exit& exit) const {
        return exit.kind == Exit::Kind::direct && exit.pc == f->entry.raw && exit.retired != 0 &&
               options.loop && !options.count_jumps && !options.log_accesses;
    }
    void take_exit(u32 number, Reg target = Reg::none, Reg scratch = Reg::none);
    void go_to_stub(abi::Stub stub);
    void leave(abi::ExitReason reason);
    void poll();
    x86::Mem address(const MachineInst& inst, u8 bytes);
    x86::Mem context(std::size_t offset, u8 bytes) {
        return x86::ptr(x86::r15, static_cast<i32>(offset) - context_bias, bytes);
    }
    void fault_point(const MachineInst& inst) {
        if (inst.site == no_site) return;
        const FaultSite& site = f->sites[inst.site];
        const auto encoded = [](Reg r) {
            return r == Reg::none ? abi::FaultPoint::no_register : static_cast<u8>(number(r));
        };
        const u32 offset = static_cast<u32>(a.offset());
        out->fault_points.push_back({offset, site.retired, site.pc, encoded(inst.mem.base),
                                     encoded(inst.mem.index), inst.mem.scale, inst.mem.disp});
        for (u32 i = site.first_value; i < site.first_value + site.value_count; ++i)
            out->frame_values.push_back({offset, f->frame_values[i].slot, f->frame_values[i].word});
        if (f->region) out->frames.push_back({site.state.begin, site.state.count});
    }
    x86::Mem constant(u64 low, u8 bytes);
    void later(std::function<void()> cold) { colds.push_back(std::move(cold)); }
    bool single(const MachineInst& inst) const { return inst.width == 4; }
    /// The AVX form where the host has it: op(dst, a, b); else a copy and the two-operand form.
    void move_vector(const x86::Xmm& to, const x86::Xmm& from) {
        if (to == from) return;
        features.avx ? a.vmovaps(to, from) : a.movaps(to, from);
    }

    const HostFeatures features;
    const EmitOptions options;
    asmjit::StringLogger logger;  // with EmitOptions::listing
    asmjit::CodeHolder code;
    x86::Assembler a;
    const MachineFunction* f = nullptr;
    abi::UnitCode* out = nullptr;
    Label begin;
    std::vector<Label> blocks;
    bool counting = false;     // the unit counts its entries
    Label forward;             // where UnitCode::forward points to
    std::vector<u32> through;  // of regions: the block that a way to a block leads to
    std::vector<std::function<void()>> colds;
    struct Constant {
        u64 low;
        Label label;
    };
    std::vector<Constant> constants;
};

}  // namespace kiln::emit
