#include "debug/gdb_registers.h"

#include <cstring>

#include "abi/helpers.h"
#include "base/check.h"

namespace kiln::debug {
namespace {

constexpr unsigned general_count = 33;  // x0 to x31, pc
constexpr u64 sp_number = 2, fp_number = 8, pc_number = 32, first_f_number = 33;
/// GDB numbers its own riscv registers like this, and so do others' stubs.
constexpr u64 first_csr_number = 65;

enum Csr : u16 {
#define GDB_CSR(name, number, feature, where) csr_##name = number,
#include "debug/gdb_riscv64.def"
#undef GDB_CSR
};

constexpr u64 flag_bits = 0x1f, rounding_bits = 7;
constexpr unsigned rounding_at = 5;

u64& word(abi::Context& context, u32 offset) {
    return *reinterpret_cast<u64*>(reinterpret_cast<u8*>(&context) + offset);
}

std::string reg(std::string_view name, u64 bits, std::string_view type, u64 number) {
    std::string text = "<reg name=\"";
    text.append(name).append("\" bitsize=\"").append(std::to_string(bits)).append("\" type=\"");
    return text.append(type).append("\" regnum=\"").append(std::to_string(number)).append("\"/>\n");
}

}  // namespace

GdbRegisters::GdbRegisters(const ir::StateLayout& layout) {
    const auto offset_of = [&](std::string_view name) {
        const auto slot = layout.find(name);
        KILN_CHECK(slot.has_value());
        return layout[*slot].offset;
    };
    pc_offset_ = layout[layout.pc].offset;
    tp_offset_ = offset_of("x4");
    frm_offset_ = offset_of("frm");
    registers_.push_back({0, Kind::zero, 8, 0, 0});
    std::string cpu = reg("x0", 64, "int", 0), fpu, csr;
    for (u64 n = 1; n < 32; ++n) {
        const std::string name = "x" + std::to_string(n);
        registers_.push_back({n, Kind::slot, 8, offset_of(name), 0});
        const bool is_pointer = n == sp_number || n == fp_number;
        cpu += reg(name, 64, n == 1 ? "code_ptr" : is_pointer ? "data_ptr" : "int", n);
    }
    registers_.push_back({pc_number, Kind::slot, 8, pc_offset_, 0});
    cpu += reg("pc", 64, "code_ptr", pc_number);
    for (u64 n = 0; n < 32; ++n) {
        const std::string name = "f" + std::to_string(n);
        registers_.push_back({first_f_number + n, Kind::slot, 8, offset_of(name), 0});
        fpu += reg(name, 64, "riscv_double", first_f_number + n);
    }
    const auto add_csr = [&](std::string& feature, std::string_view name, u16 number, u32 bytes) {
        registers_.push_back({first_csr_number + number, Kind::csr, bytes, 0, number});
        feature += reg(name, 8 * bytes, "int", first_csr_number + number);
    };
    constexpr u32 fpu_csr_bytes = 4, csr_csr_bytes = 8;
#define GDB_CSR(name, number, feature, where) add_csr(feature, #name, number, feature##_csr_bytes);
#include "debug/gdb_riscv64.def"
#undef GDB_CSR

    description_ = R"(<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target version="1.0">
<architecture>riscv:rv64</architecture>
<osabi>GNU/Linux</osabi>
<feature name="org.gnu.gdb.riscv.cpu">
)" + cpu + R"(</feature>
<feature name="org.gnu.gdb.riscv.fpu">
<union id="riscv_double"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>
)" + fpu + R"(</feature>
<feature name="org.gnu.gdb.riscv.csr">
)" + csr + R"(</feature>
</target>
)";
}

const GdbRegisters::Register* GdbRegisters::find(u64 number) const {
    for (const Register& known : registers_)
        if (known.number == number) return &known;
    return nullptr;
}

u64 GdbRegisters::csr_value(abi::Context& context, u16 csr) const {
    switch (csr) {
        case csr_fflags: return context.fp_flags;
        case csr_frm: return word(context, frm_offset_);
        case csr_fcsr: return word(context, frm_offset_) << rounding_at | context.fp_flags;
        case csr_cycle: return abi::helpers::clock_cycles(context, 0, 0);
        case csr_time: return abi::helpers::clock_time(context, 0, 0);
        case csr_instret: return abi::helpers::instret(context, 0, 0);
        default: KILN_UNREACHABLE();
    }
}

void GdbRegisters::set_csr(abi::Context& context, u16 csr, u64 value) const {
    if (csr == csr_fflags || csr == csr_fcsr) context.fp_flags = value & flag_bits;
    if (csr == csr_frm) word(context, frm_offset_) = value & rounding_bits;
    if (csr == csr_fcsr) word(context, frm_offset_) = value >> rounding_at & rounding_bits;
}

std::optional<std::vector<u8>> GdbRegisters::read(abi::Context& context, u64 number) const {
    const Register* known = find(number);
    if (known == nullptr) return std::nullopt;
    u64 value = 0;
    if (known->kind == Kind::slot) value = word(context, known->offset);
    if (known->kind == Kind::csr) value = csr_value(context, known->csr);
    std::vector<u8> bytes(known->bytes);
    std::memcpy(bytes.data(), &value, bytes.size());
    return bytes;
}

bool GdbRegisters::write(abi::Context& context, u64 number, std::string_view bytes) const {
    const Register* known = find(number);
    if (known == nullptr || bytes.size() != known->bytes) return false;
    u64 value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    if (known->number == pc_number)
        set_pc(context, GuestAddr(value));
    else if (known->kind == Kind::slot)
        word(context, known->offset) = value;
    else if (known->kind == Kind::csr)
        set_csr(context, known->csr, value);
    return true;
}

std::vector<u8> GdbRegisters::read_general(abi::Context& context) const {
    std::vector<u8> all;
    for (unsigned n = 0; n < general_count; ++n) {
        const auto bytes = read(context, n);
        all.insert(all.end(), bytes->begin(), bytes->end());
    }
    return all;
}

bool GdbRegisters::write_general(abi::Context& context, std::string_view bytes) const {
    constexpr std::size_t each = 8;
    if (bytes.size() < general_count * each) return false;
    for (unsigned n = 0; n < general_count; ++n) write(context, n, bytes.substr(n * each, each));
    return true;
}

GuestAddr GdbRegisters::pc(const abi::Context& context) const {
    return GuestAddr(word(const_cast<abi::Context&>(context), pc_offset_));
}

GuestAddr GdbRegisters::thread_pointer(const abi::Context& context) const {
    return GuestAddr(word(const_cast<abi::Context&>(context), tp_offset_));
}

void GdbRegisters::set_pc(abi::Context& context, GuestAddr pc) const {
    word(context, pc_offset_) = pc.raw & ~u64{1};
}

std::vector<u64> GdbRegisters::expedited() const { return {sp_number, fp_number, pc_number}; }

}  // namespace kiln::debug
