// The disassembler: expands a row's operand text word by word.
//
// Words name operand kinds (the table below) and everything between them is copied. A kind that prints
// nothing takes the separator before it along: "rd, rs1, rm_exact" gives "rd, rs1" where the mode goes
// without saying.
#include "isa/riscv64/disasm.h"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <optional>
#include <string_view>

#include "base/bits.h"
#include "base/check.h"

namespace kiln::riscv64 {
namespace {

constexpr const char* integer_registers[32] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};

constexpr const char* float_registers[32] = {"ft0", "ft1", "ft2",  "ft3",  "ft4", "ft5", "ft6",  "ft7",
                                             "fs0", "fs1", "fa0",  "fa1",  "fa2", "fa3", "fa4",  "fa5",
                                             "fa6", "fa7", "fs2",  "fs3",  "fs4", "fs5", "fs6",  "fs7",
                                             "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"};

constexpr const char* rounding_modes[8] = {"rne", "rtz", "rdn", "rup", "rmm", "?", "?", "dyn"};

constexpr const char* fli_names[32] = {
#define RV_FLI(index, name, value) name,
#include "isa/riscv64/fli.def"
#undef RV_FLI
};

struct CsrGroup {
    u16 number;
    u8 count;
    u8 step;
    const char* name;
    int first_index;  ///< -1: the name stands alone
};

constexpr CsrGroup csr_groups[] = {
#define RV_CSR(number, name, meaning) {number, 1, 1, #name, -1},
#define RV_CSR_GROUP(number, count, step, name, first_index, meaning) \
    {number, count, step, #name, first_index},
#include "isa/riscv64/csrs.def"
#undef RV_CSR
#undef RV_CSR_GROUP
};

/// "iorw" as far as the bits are set; "0" for none.
std::string fence_set(u32 bits) {
    std::string text;
    for (unsigned i = 0; i < 4; ++i) {
        if (bits & (8u >> i)) text += "iorw"[i];
    }
    return text.empty() ? "0" : text;
}

std::string hex(u64 value) {
    char text[20];
    std::snprintf(text, sizeof text, "0x%" PRIx64, value);
    return text;
}

struct Operand {
    const Decoded& instruction;
    std::optional<GuestAddr> pc;
};

std::string target(const Operand& operand) {
    i64 offset = operand.instruction.imm;
    return operand.pc ? hex(operand.pc->raw + static_cast<u64>(offset)) : std::to_string(offset);
}

struct OperandKind {
    std::string_view word;
    std::string (*print)(const Operand& operand);
};

constexpr OperandKind operand_kinds[] = {
    {"rd", [](const Operand& o) -> std::string { return integer_registers[o.instruction.rd]; }},
    {"rs1", [](const Operand& o) -> std::string { return integer_registers[o.instruction.rs1]; }},
    {"rs2", [](const Operand& o) -> std::string { return integer_registers[o.instruction.rs2]; }},
    {"fd", [](const Operand& o) -> std::string { return float_registers[o.instruction.rd]; }},
    {"fs1", [](const Operand& o) -> std::string { return float_registers[o.instruction.rs1]; }},
    {"fs2", [](const Operand& o) -> std::string { return float_registers[o.instruction.rs2]; }},
    {"fs3", [](const Operand& o) -> std::string { return float_registers[o.instruction.rs3]; }},
    {"imm", [](const Operand& o) { return std::to_string(o.instruction.imm); }},
    {"shamt", [](const Operand& o) { return std::to_string(o.instruction.imm); }},
    {"nop_imm",
     [](const Operand& o) { return o.instruction.imm == 0 ? "" : std::to_string(o.instruction.imm); }},
    {"upper",
     [](const Operand& o) { return std::to_string(bits(static_cast<u32>(o.instruction.imm), 12, 20)); }},
    {"target", target},
    {"csr", [](const Operand& o) { return csr_name(static_cast<unsigned>(o.instruction.imm)); }},
    {"zimm", [](const Operand& o) { return std::to_string(o.instruction.rs1); }},
    {"pred", [](const Operand& o) { return fence_set(static_cast<u32>(o.instruction.imm) >> 4); }},
    {"succ", [](const Operand& o) { return fence_set(static_cast<u32>(o.instruction.imm)); }},
    {"fli", [](const Operand& o) -> std::string { return fli_names[o.instruction.imm]; }},
    {"rm", [](const Operand& o) -> std::string { return rounding_modes[o.instruction.rm]; }},
    {"rm_exact",
     [](const Operand& o) -> std::string {
         return o.instruction.rm == 0 ? "" : rounding_modes[o.instruction.rm];
     }},
    {"rtz", [](const Operand&) -> std::string { return "rtz"; }},
};

constexpr bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

std::string print_operand(std::string_view word, const Operand& operand) {
    for (const OperandKind& kind : operand_kinds) {
        if (kind.word == word) return kind.print(operand);
    }
    KILN_UNREACHABLE();
}

std::string print_operands(std::string_view pattern, const Operand& operand) {
    std::string text;
    std::string separator;
    while (!pattern.empty()) {
        std::size_t length = 0;
        while (length < pattern.size() && is_word_character(pattern[length])) ++length;
        if (length == 0) {
            separator += pattern.front();
            pattern.remove_prefix(1);
            continue;
        }
        std::string printed = print_operand(pattern.substr(0, length), operand);
        if (!printed.empty()) text += separator + printed;
        separator.clear();
        pattern.remove_prefix(length);
    }
    return text + separator;
}

std::string print_mnemonic(const InstInfo& row, const Decoded& instruction) {
    std::string text(row.mnemonic());
    if (text.ends_with(".n")) text.replace(text.size() - 1, 1, std::to_string(instruction.imm));
    constexpr const char* orderings[4] = {"", ".rl", ".aq", ".aqrl"};
    return text + orderings[instruction.aq_rl & 3];
}

std::string print(const Operand& operand) {
    const Decoded& instruction = operand.instruction;
    if (instruction.id == InstId::illegal) {
        char text[24];
        std::snprintf(text, sizeof text, instruction.length == 2 ? ".half 0x%04x" : ".word 0x%08x",
                      instruction.raw);
        return text;
    }
    const InstInfo& row = info(instruction.id);
    std::string text = print_mnemonic(row, instruction);
    std::string operands = print_operands(row.operands, operand);
    return operands.empty() ? text : text + " " + operands;
}

}  // namespace

std::string disassemble(const Decoded& instruction) { return print({instruction, std::nullopt}); }

std::string disassemble(const Decoded& instruction, GuestAddr pc) { return print({instruction, pc}); }

const char* integer_register_name(unsigned number) { return integer_registers[number]; }

const char* float_register_name(unsigned number) { return float_registers[number]; }

std::string csr_name(unsigned number) {
    for (const CsrGroup& group : csr_groups) {
        unsigned offset = number - group.number;
        if (offset % group.step != 0 || offset / group.step >= group.count) continue;
        if (group.first_index < 0) return group.name;
        return group.name + std::to_string(static_cast<unsigned>(group.first_index) + offset);
    }
    return std::to_string(number);
}

}  // namespace kiln::riscv64
