#include "run/chapter_builder.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"

namespace kiln::run {
namespace {

// A unit's entry can be replaced in one store, and rarely shares a fetch block with what comes before it.
constexpr u32 entry_alignment = 16;

/// Those of `all`, ascending by the field `at`, that lie in [begin, end), with that field counted from `begin`.
template <class T>
std::vector<T> slice(const std::vector<T>& all, u32 T::* at, u32 begin, u32 end) {
    std::vector<T> some;
    auto next = std::ranges::lower_bound(all, begin, {}, at);
    for (; next != all.end() && (*next).*at < end; ++next) {
        some.push_back(*next);
        some.back().*at -= begin;
    }
    return some;
}

}  // namespace

void ChapterBuilder::add(GuestAddr pc, u32 instructions, std::vector<abi::CodeRange> ranges,
                         abi::UnitCode code, std::vector<abi::ProfileAnswer> answers) {
    // Cold paths come behind the rest, so what refers to them need not be in order.
    std::ranges::sort(code.relocations, {}, &abi::UnitRelocation::offset);
    std::ranges::sort(code.links, {}, &abi::UnitLink::site);
    pieces_.insert_or_assign(pc.raw,
                             Piece{instructions, std::move(ranges), std::move(code), std::move(answers)});
}

void ChapterBuilder::add(const abi::Chapter& chapter) {
    for (std::size_t i = 0; i < chapter.units.size(); ++i) {
        const abi::StoredUnit& unit = chapter.units[i];
        const u32 begin = unit.entry;
        const u32 end =
            i + 1 < chapter.units.size() ? chapter.units[i + 1].entry : static_cast<u32>(chapter.code.size());
        const auto [place, is_new] = pieces_.try_emplace(unit.pc.raw);
        if (!is_new) continue;
        Piece& piece = place->second;
        piece.instructions = unit.instructions;
        const auto first = chapter.ranges.begin() + unit.first_range;
        piece.ranges.assign(first, first + unit.range_count);
        piece.code.bytes.assign(chapter.code.begin() + begin, chapter.code.begin() + end);
        piece.code.forward = unit.forward - begin;
        piece.code.counter_site = unit.counter_site == 0 ? 0 : unit.counter_site - begin;
        piece.code.relocations = slice(chapter.relocations, &abi::UnitRelocation::offset, begin, end);
        piece.code.fault_points = slice(chapter.fault_points, &abi::FaultPoint::offset, begin, end);
        piece.code.links = slice(chapter.links, &abi::UnitLink::site, begin, end);
        for (abi::UnitLink& link : piece.code.links) link.unlinked -= begin;
        const auto number = static_cast<u32>(i);
        piece.answers = slice(chapter.answers, &abi::ProfileAnswer::unit, number, number + 1);
    }
}

abi::Chapter ChapterBuilder::build() const {
    abi::Chapter chapter;
    std::vector<u8>& bytes = chapter.code;
    constexpr u8 jump = 0xe9, never = 0xcc;
    bytes.assign(abi::stub_jumps * abi::stub_jump_bytes, never);
    for (u32 stub = 0; stub < abi::stub_jumps; ++stub) bytes[stub * abi::stub_jump_bytes] = jump;
    const auto set_distance = [&](u32 at, u32 to) {
        const u32 distance = to - (at + 4);
        std::memcpy(bytes.data() + at, &distance, sizeof distance);
    };
    for (const auto& [pc, piece] : pieces_) {
        const abi::UnitCode& code = piece.code;
        bytes.resize(align_up(bytes.size(), entry_alignment), never);
        const u32 begin = static_cast<u32>(bytes.size());
        for (abi::ProfileAnswer answer : piece.answers) {
            answer.unit = static_cast<u32>(chapter.units.size());
            chapter.answers.push_back(answer);
        }
        chapter.units.push_back({.pc = GuestAddr(pc),
                                 .entry = begin,
                                 .forward = begin + code.forward,
                                 .counter_site = code.counter_site == 0 ? 0 : begin + code.counter_site,
                                 .instructions = piece.instructions,
                                 .first_range = static_cast<u32>(chapter.ranges.size()),
                                 .range_count = static_cast<u32>(piece.ranges.size())});
        chapter.ranges.insert(chapter.ranges.end(), piece.ranges.begin(), piece.ranges.end());
        bytes.insert(bytes.end(), code.bytes.begin(), code.bytes.end());
        for (abi::UnitRelocation relocation : code.relocations) {
            relocation.offset += begin;
            chapter.relocations.push_back(relocation);
            set_distance(relocation.offset, static_cast<u32>(relocation.stub) * abi::stub_jump_bytes);
        }
        for (abi::FaultPoint point : code.fault_points) {
            point.offset += begin;
            chapter.fault_points.push_back(point);
        }
        for (abi::UnitLink link : code.links) {
            link.site += begin;
            link.unlinked += begin;
            chapter.links.push_back(link);
        }
    }
    for (const abi::UnitLink& link : chapter.links) {
        const auto unit = std::ranges::lower_bound(chapter.units, link.target, {}, &abi::StoredUnit::pc);
        const bool here = unit != chapter.units.end() && unit->pc == link.target;
        set_distance(link.site, here ? unit->entry : link.unlinked);
    }
    chapter.code_bytes = static_cast<u32>(bytes.size());
    return chapter;
}

}  // namespace kiln::run
