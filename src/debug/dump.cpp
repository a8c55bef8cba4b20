#include "debug/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "ir/print.h"

namespace kiln::debug {
namespace {

std::optional<u64> address(std::string_view text) {
    if (!text.starts_with("0x")) return std::nullopt;
    u64 value = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// `text` with each of its lines indented.
void add_indented(std::string_view text, std::string& out) {
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        ((out += "    ") += text.substr(0, end)) += '\n';
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

/// The ways out of a function as ir::print() shows it: the last line of each block that goes to no other, with its
/// origin.
std::string exits_of(std::string_view printed) {
    std::string out;
    std::string_view origin, last;
    while (!printed.empty()) {
        const std::string_view line = printed.substr(0, printed.find('\n'));
        printed.remove_prefix(std::min(printed.size(), line.size() + 1));
        if (line.starts_with('@')) {
            origin = line;
        } else if (line.starts_with("  ")) {
            last = line.substr(2);
        } else {  // the next block or the end
            if (!last.empty() && !last.starts_with("br") && !last.starts_with("switch"))
                fmt::format_to(std::back_inserter(out), "{} {}\n", origin, last);
            last = {};
        }
    }
    return out;
}

}  // namespace

Result<DumpRequest> DumpRequest::parse(std::string_view text) {
    DumpRequest request;
    const size_t at = text.find('@');
    std::string_view items = text.substr(0, at);
    while (!items.empty()) {
        const std::string_view item = items.substr(0, items.find(','));
        items.remove_prefix(std::min(items.size(), item.size() + 1));
        if (item == "guest") {
            request.guest = true;
        } else if (item == "ir") {
            request.ir = true;
        } else if (item.starts_with("ir-after:")) {
            request.passes.emplace_back(item.substr(item.find(':') + 1));
        } else if (item == "host") {
            request.host = true;
        } else if (item == "exits") {
            request.exits = true;
        } else if (item == "links") {
            request.links = true;
        } else {
            return fail("--dump: there is no " + std::string(item) +
                        " to show, but guest, ir, ir-after:PASS, host, exits, links");
        }
    }
    if (at == text.npos) return request;
    const std::string_view range = text.substr(at + 1);
    const size_t dash = range.find('-');
    const auto begin = address(range.substr(0, dash));
    const auto end = dash == range.npos ? begin : address(range.substr(dash + 1));
    if (begin && end && *begin <= *end) {
        request.begin = GuestAddr(*begin);
        request.end = GuestAddr(dash == range.npos ? *end + 1 : *end);
    } else if (!range.empty() && !range.starts_with("0x")) {
        request.function = range;
    } else {
        return fail("--dump: " + std::string(range) +
                    " is no range: expected 0xBEGIN-0xEND, 0xADDRESS or a function");
    }
    return request;
}

bool Dump::wanted(GuestAddr pc, Symbols& symbols) const {
    if (pc < request_.begin || pc >= request_.end) return false;
    return request_.function.empty() || symbols.find(pc).name == request_.function;
}

void Dump::add_ir(GuestAddr pc, const ir::Function& f, std::string_view after) {
    UnderWay& unit = under_way_[pc.raw];
    const std::string printed = ir::print(f);
    if (after.empty()) {
        unit.ir.clear();
        if (request_.ir) add_indented(printed, unit.ir += "  ir\n");
    } else if (std::ranges::find(request_.passes, after) != request_.passes.end()) {
        add_indented(printed, unit.ir += fmt::format("  ir after {}\n", after));
    }
    unit.exits.clear();  // passes may settle branches
    if (request_.exits) add_indented(exits_of(printed), unit.exits += "  exits\n");
}

void Dump::add_guest_code(const run::SeenUnit& unit, std::string& out) const {
    out += "  guest\n";
    for (const abi::CodeRange& range : unit.ranges) {
        std::vector<u8> bytes(range.bytes);
        if (!space_.read(range.begin, bytes.data(), bytes.size())) continue;
        for (u32 at = 0, length = 0; at < bytes.size(); at += length) {
            const std::string text =
                frontend_.disassemble(std::span(bytes).subspan(at), range.begin + at, length);
            if (length == 0) break;
            fmt::format_to(std::back_inserter(out), "    {:#x}  {}\n", range.begin.raw + at, text);
        }
    }
}

std::string Dump::unit(const run::SeenUnit& unit, Symbols& symbols) {
    if (!unit.host_code.empty())
        code_[unit.host_code.data()] = {unit.host_code.data() + unit.host_code.size(), unit.pc.raw};
    const auto made = under_way_.extract(unit.pc.raw);
    if (!wanted(unit.pc, symbols)) return {};
    if (!(request_.guest || request_.wants_ir() || request_.host)) return {};
    std::string out =
        fmt::format("unit {:#x} {}: {}, {} instructions\n", unit.pc.raw, symbols.find(unit.pc).text(),
                    run::info(unit.reason).name, unit.instructions);
    if (request_.guest) add_guest_code(unit, out);
    if (!made.empty()) (out += made.mapped().ir) += made.mapped().exits;
    if (request_.host && !unit.host_code.empty()) {
        fmt::format_to(std::back_inserter(out), "  host {}, {} bytes\n", fmt::ptr(unit.host_code.data()),
                       unit.host_code.size());
        add_indented(unit.listing, out);
    }
    return out;
}

std::string Dump::link(const void* site, GuestAddr pc, Symbols& symbols) {
    if (!request_.links) return {};
    auto after = code_.upper_bound(static_cast<const u8*>(site));
    if (after == code_.begin() || site >= (--after)->second.first) return {};
    const GuestAddr from(after->second.second);
    if (!wanted(from, symbols) && !wanted(pc, symbols)) return {};
    return fmt::format("link {:#x} {} to {:#x} {}\n", from.raw, symbols.find(from).text(), pc.raw,
                       symbols.find(pc).text());
}

}  // namespace kiln::debug
