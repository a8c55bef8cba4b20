#include "debug/lockstep_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/log.h"
#include "debug/symbols.h"
#include "ir/print.h"

namespace kiln::debug {
namespace {

using run::Difference;
using run::UnitOutcome;

/// Text of rows whose first column marks a difference.
class Rows {
  public:
    void add(bool same, std::string_view name, std::string_view before, std::string_view compiled,
             std::string_view interpreted) {
        fmt::format_to(std::back_inserter(text_), "  {} {:<13} {:<18}  {:<18}  {:<18}\n", same ? ' ' : '*',
                       name, before, compiled, interpreted);
    }
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

u64 word(const abi::Context* context, u32 offset) {
    u64 value;
    std::memcpy(&value, reinterpret_cast<const u8*>(context) + offset, sizeof value);
    return value;
}

std::string hex(u64 value) { return fmt::format("{:#x}", value); }

std::string fault_text(const UnitOutcome& outcome) {
    constexpr std::string_view kinds[] = {"unmapped", "protected", "bus", "misaligned"};
    if (outcome.reason != abi::ExitReason::fault) return "";
    const abi::Fault& fault = outcome.context->fault;
    return fmt::format("{} {:#x}", kinds[static_cast<u8>(fault.kind)], fault.address.raw);
}

std::string states(const Difference& d) {
    const UnitOutcome &a = d.compiled, &b = d.interpreted;
    Rows rows;
    rows.add(true, "", "before", "compiled", "interpreted");
    rows.add(run::same_exit(a, b), "exit", "", name(a.reason), name(b.reason));
    if (const std::string x = fault_text(a), y = fault_text(b); !x.empty() || !y.empty())
        rows.add(x == y, "fault", "", x, y);
    rows.add(a.instructions == b.instructions, "instructions", "", fmt::format("{}", a.instructions),
             fmt::format("{}", b.instructions));
    rows.add(a.context->fp_flags == b.context->fp_flags, "fp flags", hex(d.before->fp_flags),
             hex(a.context->fp_flags), hex(b.context->fp_flags));
    for (const ir::Slot& slot : d.frontend.env().layout->slots)
        for (u32 at = slot.offset; at < slot.offset + ir::byte_size(slot.type); at += 8) {
            const u64 x = word(a.context, at), y = word(b.context, at);
            rows.add(x == y, slot.name, hex(word(d.before, at)), hex(x), hex(y));
        }
    return rows.take();
}

std::string access_text(const abi::Access& access, bool replayed, const abi::Frontend& frontend) {
    if (access.kind == abi::AccessKind::result)
        return fmt::format("{} gives {:#x}", frontend.env()[ir::HelperId(access.address)].name,
                           access.loaded);
    const std::string place = fmt::format("{:#x} {} bytes", access.address, access.bytes);
    const u64 mask = access.mask(), left = (replayed ? access.stored : access.left()) & mask;
    switch (access.kind) {
        case abi::AccessKind::load: return fmt::format("load  {} reads {:#x}", place, access.loaded & mask);
        case abi::AccessKind::store: return fmt::format("store {} leaves {:#x}", place, left);
        case abi::AccessKind::cas:
            return fmt::format("cas   {} reads {:#x} leaves {:#x}", place, access.loaded & mask, left);
        default: return fmt::format("rmw   {} reads {:#x} leaves {:#x}", place, access.loaded & mask, left);
    }
}

std::string accesses(const Difference& d) {
    const auto &logged = d.compiled.accesses, &replayed = d.interpreted.accesses;
    std::string text;
    for (std::size_t i = 0; i < std::max(logged.size(), replayed.size()); ++i) {
        const bool both = i < logged.size() && i < replayed.size();
        const bool same = both && run::same_access(logged[i], replayed[i]);
        if (i < logged.size())
            fmt::format_to(std::back_inserter(text), "  {} {:<13} {}\n", same ? ' ' : '*',
                           same ? "" : "compiled", access_text(logged[i], false, d.frontend));
        if (i < replayed.size() && !same)
            fmt::format_to(std::back_inserter(text), "  * {:<13} {}\n", "interpreted",
                           access_text(replayed[i], true, d.frontend));
    }
    for (const run::MemoryDifference& m : d.memory)
        fmt::format_to(std::back_inserter(text),
                       "  * memory        {:#x} {} bytes: {:#x} after the unit, {:#x} by its accesses\n",
                       m.address.raw, m.bytes, m.found, m.logged);
    return text;
}

/// The instructions, as they are in memory now.
std::string guest_code(const Difference& d) {
    std::string text;
    for (GuestAddr pc : d.path) {
        u8 bytes[abi::longest_instruction] = {};
        u32 length = 0;
        if (!d.space.read(pc, bytes, sizeof bytes) && !d.space.read(pc, bytes, 2)) continue;
        fmt::format_to(std::back_inserter(text), "  {:#x}  {}\n", pc.raw,
                       d.frontend.disassemble(bytes, pc, length));
    }
    return text;
}

}  // namespace

std::string lockstep_report(const Difference& d) {
    Symbols symbols(d.space);
    const GuestAddr pc = d.path.front();
    std::string text =
        fmt::format("kiln: lockstep: the {} {:#x} {} does something else compiled than interpreted\n",
                    d.lifted != nullptr ? "unit at" : "code from", pc.raw, symbols.find(pc).text());
    const auto section = [&](std::string_view heading, std::string_view body) {
        if (!body.empty()) fmt::format_to(std::back_inserter(text), "{}\n{}", heading, body);
    };
    section("state", states(d));
    section("accesses", accesses(d));
    section("guest code", guest_code(d));
    if (d.lifted == nullptr) return text;
    const std::string lifted = ir::print(*d.lifted), optimized = ir::print(*d.optimized);
    section("IR", lifted);
    if (optimized != lifted) section("IR after passes", optimized);
    section("host code", d.host_code);
    return text;
}

void LockstepReport::see_difference(const Difference& difference) {
    write_all(STDERR_FILENO, lockstep_report(difference));
    _exit(lockstep_exit_status);
}

}  // namespace kiln::debug
