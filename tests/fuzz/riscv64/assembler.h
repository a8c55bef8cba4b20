// Just enough of an assembler to write the program's own code, on encode() of the instruction table.
#pragma once

#include <cstring>
#include <string>

#include "base/check.h"
#include "isa/riscv64/decode.h"

namespace kiln::fuzz {

class Assembler {
  public:
    using InstId = riscv64::InstId;

    explicit Assembler(u64 address) : begin_(address) {}

    u64 here() const { return begin_ + bytes_.size(); }
    const std::string& bytes() const { return bytes_; }

    void immediate(InstId id, unsigned rd, unsigned rs1, i64 imm) {
        put({.id = id, .length = 4, .rd = reg(rd), .rs1 = reg(rs1), .imm = static_cast<i32>(imm)});
    }
    void registers(InstId id, unsigned rd, unsigned rs1, unsigned rs2) {
        put({.id = id, .length = 4, .rd = reg(rd), .rs1 = reg(rs1), .rs2 = reg(rs2)});
    }
    void store(InstId id, unsigned rs2, i64 offset, unsigned base) {
        put({.id = id, .length = 4, .rs1 = reg(base), .rs2 = reg(rs2), .imm = static_cast<i32>(offset)});
    }
    /// A branch; `target` is an address.
    void branch(InstId id, unsigned rs1, unsigned rs2, u64 target) {
        put({.id = id, .length = 4, .rs1 = reg(rs1), .rs2 = reg(rs2), .imm = distance(target, 1 << 12)});
    }
    void jump(u64 target) { put({.id = InstId::jal, .length = 4, .imm = distance(target, 1 << 20)}); }
    /// A number of 31 bits.
    void load_number(unsigned rd, u64 number) {
        KILN_CHECK(number < 0x7ffff800);
        const i64 low = static_cast<i64>(number << 52) >> 52;
        immediate(InstId::lui, rd, 0, static_cast<i64>(number) - low);
        immediate(InstId::addi, rd, rd, low);
    }
    void ecall(unsigned number) {
        immediate(InstId::addi, 17, 0, number);
        put({.id = InstId::ecall, .length = 4});
    }
    void halfword(u16 bits) { append(&bits, sizeof bits); }
    /// Up to a multiple of four bytes, with c.nop.
    void align() {
        if (here() & 2) halfword(1);
    }

  private:
    static u8 reg(unsigned number) { return static_cast<u8>(number); }
    i32 distance(u64 target, i64 reach) const {
        const i64 bytes = static_cast<i64>(target - here());
        KILN_CHECK(bytes >= -reach && bytes < reach);
        return static_cast<i32>(bytes);
    }
    void put(const riscv64::Decoded& inst) {
        const u32 word = riscv64::encode(inst);
        append(&word, sizeof word);
    }
    void append(const void* bytes, size_t count) { bytes_.append(static_cast<const char*>(bytes), count); }

    u64 begin_;
    std::string bytes_;
};

}  // namespace kiln::fuzz
