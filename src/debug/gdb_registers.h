// A guest's registers in GDB's terms: its target description (GDB manual, appendix "Target Descriptions") and
// the registers by the numbers that the description gives them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "abi/context.h"
#include "ir/env.h"

namespace kiln::debug {

/// riscv64, from the rows of its state layout and of gdb_riscv64.def.
class GdbRegisters {
  public:
    explicit GdbRegisters(const ir::StateLayout& layout);

    /// target.xml.
    const std::string& description() const { return description_; }

    /// What the registers that every stop is about hold, the integer registers and pc, one after another.
    std::vector<u8> read_general(abi::Context& context) const;
    /// False if `bytes` is too short; then nothing has changed.
    bool write_general(abi::Context& context, std::string_view bytes) const;

    /// One register's bytes in the guest's order; none if no register has the number.
    std::optional<std::vector<u8>> read(abi::Context& context, u64 number) const;
    /// False if there is no such register or `bytes` is not its size. A read-only one stays as it is.
    bool write(abi::Context& context, u64 number, std::string_view bytes) const;

    GuestAddr pc(const abi::Context& context) const;
    /// What thread-local variables are found by.
    GuestAddr thread_pointer(const abi::Context& context) const;
    void set_pc(abi::Context& context, GuestAddr pc) const;
    /// Those that tell where a thread is: worth sending with every stop.
    std::vector<u64> expedited() const;

  private:
    enum class Kind : u8 { zero, slot, csr };
    struct Register {
        u64 number;
        Kind kind;
        u32 bytes;
        u32 offset;  ///< of the slot
        u16 csr;
    };
    const Register* find(u64 number) const;
    u64 csr_value(abi::Context& context, u16 csr) const;
    void set_csr(abi::Context& context, u16 csr, u64 value) const;

    std::vector<Register> registers_;  // general ones first
    u32 pc_offset_, tp_offset_, frm_offset_;
    std::string description_;
};

}  // namespace kiln::debug
