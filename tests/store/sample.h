// Chapters with all that a chapter can have, for tests: not code that could run.
#pragma once

#include "abi/unit_store.h"

namespace kiln::store {

inline const abi::ImageOrigin sample_origin{"/usr/bin/sample", 0x10000, 0x80000, 0};

/// A chapter of `count` units that begins at `window`; units link to each other and elsewhere.
inline abi::Chapter sample_chapter(GuestAddr window, u32 count) {
    abi::Chapter chapter;
    chapter.guest_hash = window.raw * 3;
    constexpr u32 unit_bytes = 64, first = abi::stub_jumps * abi::stub_jump_bytes + 8;
    for (u32 i = 0; i < count; ++i) {
        const u32 entry = first + i * unit_bytes;
        const GuestAddr pc = window + 12 * i;
        chapter.units.push_back({.pc = pc,
                                 .entry = entry,
                                 .forward = entry + 40,
                                 .counter_site = i % 2 == 0 ? entry + 14 : 0,
                                 .instructions = i + 1,
                                 .first_range = i,
                                 .range_count = 1});
        chapter.ranges.push_back({pc, 4 * (i + 1)});
        chapter.fault_points.push_back({entry + 20, i, pc + 4, 3, abi::FaultPoint::no_register, 2, -8});
        chapter.relocations.push_back({entry + 45, abi::Stub::lookup});
        chapter.links.push_back({entry + 28, entry + 48, window + 12 * (i + 1)});
        if (i % 2 == 1) chapter.answers.push_back({pc + 8, 70 * i, i, i});
    }
    chapter.code.resize(first + count * unit_bytes);
    for (std::size_t i = 0; i < chapter.code.size(); ++i) chapter.code[i] = static_cast<u8>(i * 7);
    chapter.code_bytes = static_cast<u32>(chapter.code.size());
    return chapter;
}

}  // namespace kiln::store
