// lift: riscv64 code, from hexadecimal bytes or an ELF symbol, to IR.
#include <charconv>
#include <cstdio>

#include <fmt/format.h>

#include "elf_symbol.h"
#include "input.h"
#include "ir/print.h"
#include "lift/region.h"
#include "lift/riscv64/frontend.h"

namespace kiln::irtool {
namespace {

/// Code at one place and nothing elsewhere.
class OnePlace final : public abi::CodeSource {
  public:
    explicit OnePlace(const SymbolCode& code) : code_(code) {}
    std::span<const u8> fetch(GuestAddr pc) override {
        const u64 offset = pc - code_.address;
        if (offset >= code_.bytes.size()) return {};
        return std::span(code_.bytes).subspan(offset);
    }
    abi::FaultKind fetch_fault(GuestAddr) override { return abi::FaultKind::unmapped; }

  private:
    const SymbolCode& code_;
};

std::vector<u8> parse_hex(std::string_view text) {
    std::vector<u8> bytes(text.size() / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char* const digits = text.data() + 2 * i;
        if (std::from_chars(digits, digits + 2, bytes[i], 16).ptr != digits + 2)
            throw Unusable{fmt::format("'{}' is not a row of bytes in hexadecimal", text)};
    }
    if (bytes.empty() || text.size() % 2 != 0)
        throw Unusable{fmt::format("'{}' is not a row of bytes in hexadecimal", text)};
    return bytes;
}

SymbolCode code_of(const Arguments& arguments) {
    const auto elf = arguments.find("elf"), symbol = arguments.find("symbol");
    if (elf && symbol) {
        arguments.operands(0);
        return find_symbol(*elf, *symbol);
    }
    if (elf || symbol) throw Unusable{"--elf and --symbol go together"};
    const u64 pc = arguments.number("pc", 0x10000);
    if (pc % 2 != 0) throw Unusable{fmt::format("--pc={:#x}: instructions stand at even addresses", pc)};
    return {GuestAddr(pc), parse_hex(arguments.operands(1)[0])};
}

void print_disassembly(const SymbolCode& code, const abi::Lifted& lifted) {
    const abi::Frontend& frontend = riscv64::frontend();
    for (const abi::CodeRange& range : lifted.ranges) {
        for (u64 at = range.begin - code.address, end = at + range.bytes; at < end;) {
            u32 length = 0;
            const GuestAddr pc = code.address + at;
            const std::string text = frontend.disassemble(std::span(code.bytes).subspan(at), pc, length);
            if (length == 0) break;
            fmt::print("; {:#x}: {}\n", pc.raw, text);
            at += length;
        }
    }
}

}  // namespace

int lift(const Arguments& arguments) {
    arguments.allow({"elf", "symbol", "pc", "max", "region", "level", "passes", "verify-each"});
    const SymbolCode code = code_of(arguments);
    OnePlace source(code);
    abi::LiftOptions options;
    options.max_instructions = static_cast<u32>(arguments.number("max", options.max_instructions, 1));
    const abi::Frontend& frontend = riscv64::frontend();
    ir::Function f(frontend.env());
    abi::Lifted lifted;
    if (arguments.flag("region")) {
        lift::RegionOptions region;
        region.max_instructions = static_cast<u32>(arguments.number("max", region.max_instructions, 1));
        lift::RegionFormer(frontend).form(f, code.address, source, region, lifted);
    } else {
        frontend.lift(f, code.address, source, options, lifted);
    }
    if (lifted.fetch_failed)
        throw Unusable{fmt::format("the instruction at {:#x} is cut off", code.address.raw)};
    optimize(f, arguments);
    print_disassembly(code, lifted);
    fmt::print("{}", ir::print(f));
    return exit_good;
}

}  // namespace kiln::irtool
