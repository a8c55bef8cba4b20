// Putting chapters together, and taking them apart.
#include <gtest/gtest.h>

#include <cstring>

#include "run/chapter_builder.h"

namespace kiln::run {
namespace {

/// A unit of 48 bytes that ends in a jump to `target`, whose way to Stub::lookup is at 32.
abi::UnitCode unit(u8 filling, GuestAddr target, bool counts) {
    abi::UnitCode code;
    code.bytes.assign(48, filling);
    code.forward = 40;
    code.counter_site = counts ? 12 : 0;
    code.links = {{20, 32, target}};
    // As they come out of an encoder: cold paths last.
    code.relocations = {{44, abi::Stub::lookup}, {34, abi::Stub::leave}};
    code.fault_points = {{16, 1, GuestAddr(0x10004), 3, 0xff, 0, 8}};
    return code;
}

u32 distance_at(const abi::Chapter& chapter, u32 at) {
    u32 distance;
    std::memcpy(&distance, chapter.code.data() + at, sizeof distance);
    return distance;
}

abi::Chapter sample() {
    ChapterBuilder builder;
    builder.add(GuestAddr(0x10010), 2, {{GuestAddr(0x10010), 8}}, unit(0xbb, GuestAddr(0x77770), false));
    builder.add(GuestAddr(0x10000), 4, {{GuestAddr(0x10000), 12}, {GuestAddr(0x10020), 4}},
                unit(0xaa, GuestAddr(0x10010), true));
    return builder.build();
}

TEST(Chapter, UnitsAreInOrderAndLinkedWhereTheyCanBe) {
    const abi::Chapter chapter = sample();
    ASSERT_EQ(chapter.units.size(), 2u);
    const abi::StoredUnit &first = chapter.units[0], &second = chapter.units[1];
    EXPECT_EQ(first.pc, GuestAddr(0x10000));
    EXPECT_EQ(second.pc, GuestAddr(0x10010));
    EXPECT_EQ(first.counter_site, first.entry + 12);
    EXPECT_EQ(second.counter_site, 0u);
    EXPECT_EQ(first.range_count, 2u);
    EXPECT_EQ(second.first_range, 2u);
    EXPECT_EQ(first.entry + 20 + 4 + distance_at(chapter, first.entry + 20), second.entry);
    EXPECT_EQ(second.entry + 20 + 4 + distance_at(chapter, second.entry + 20), second.entry + 32);
    EXPECT_EQ(chapter.code_bytes, chapter.code.size());
}

TEST(Chapter, UnitsReachStubsByTheChaptersOwnJumps) {
    const abi::Chapter chapter = sample();
    const u32 site = chapter.units[1].entry + 44;
    EXPECT_EQ(site + 4 + distance_at(chapter, site), u32{abi::stub_jump_bytes} * u32(abi::Stub::lookup));
    for (u32 stub = 0; stub < abi::stub_jumps; ++stub)
        EXPECT_EQ(chapter.code[stub * abi::stub_jump_bytes], 0xe9);
}

TEST(Chapter, TakenApartAndPutTogetherIsTheSame) {
    const abi::Chapter chapter = sample();
    ChapterBuilder builder;
    builder.add(chapter);
    const abi::Chapter again = builder.build();
    EXPECT_EQ(again.code, chapter.code);
    EXPECT_EQ(again.links.size(), chapter.links.size());
    EXPECT_EQ(again.relocations.size(), chapter.relocations.size());
    EXPECT_EQ(again.fault_points.size(), chapter.fault_points.size());
    EXPECT_EQ(again.ranges.size(), chapter.ranges.size());
}

TEST(Chapter, NewUnitsWinOverThoseOfAnOlderChapter) {
    ChapterBuilder builder;
    builder.add(GuestAddr(0x10010), 9, {{GuestAddr(0x10010), 8}}, unit(0xcc, GuestAddr(0x10000), false));
    builder.add(sample());
    const abi::Chapter chapter = builder.build();
    ASSERT_EQ(chapter.units.size(), 2u);
    EXPECT_EQ(chapter.units[1].instructions, 9u);
    // What did not lead anywhere in either does now.
    const u32 site = chapter.units[1].entry + 20;
    EXPECT_EQ(site + 4 + distance_at(chapter, site), chapter.units[0].entry);
}

}  // namespace
}  // namespace kiln::run
