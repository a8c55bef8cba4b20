// Natural loops, of functions that are nothing but branches.
#include "ir/loops.h"

#include <string>

#include <gtest/gtest.h>

#include "ir/parse.h"
#include "test_env.h"

namespace kiln::ir {
namespace {

/// The depths of a function's blocks; each of `ends` is the end of one, "A B" standing for a branch to either.
std::vector<u32> depths(const std::vector<std::string>& ends) {
    std::string text = "function test 0x1000 {\n";
    for (std::size_t b = 0; b < ends.size(); ++b) {
        const std::string value = "%" + std::to_string(b), block = "b" + std::to_string(b);
        const std::size_t space = ends[b].find(' ');
        text += block + ":\n  " + value + " = get_state.i1 flag\n";
        if (ends[b].empty())
            text += "  goto_pc.plain 0x2000\n";
        else if (space == std::string::npos)
            text += "  br " + ends[b] + "\n";
        else
            text += "  br_if " + value + ", " + ends[b].substr(0, space) + ", " + ends[b].substr(space + 1) +
                    "\n";
    }
    text += "}\n";
    Function f(test::env);
    std::string_view rest = text;
    const Result<void> parsed = parse(rest, f);
    EXPECT_TRUE(parsed.has_value()) << text << (parsed ? "" : parsed.error().message);
    return loop_depths(f, Dominators(f));
}

using Depths = std::vector<u32>;

TEST(Loops, None) { EXPECT_EQ(depths({"b1 b2", "b2", ""}), Depths({0, 0, 0})); }

TEST(Loops, OneInAnother) { EXPECT_EQ(depths({"b1", "b2", "b2 b3", "b1 b4", ""}), Depths({0, 1, 2, 1, 0})); }

// b2 goes back as part of a round, b3 at the end of a longer one.
TEST(Loops, TwoWithOneHeader) {
    EXPECT_EQ(depths({"b1", "b2", "b1 b3", "b1 b4", ""}), Depths({0, 2, 2, 1, 0}));
}

// Two ways back that share no more than the header.
TEST(Loops, OneWithTwoEnds) {
    EXPECT_EQ(depths({"b1", "b2 b3", "b1 b4", "b1 b4", ""}), Depths({0, 1, 1, 1, 0}));
}

// The ends of one loop, and an outer loop with the same header behind both.
TEST(Loops, TwoEndsInAnOuterLoop) {
    EXPECT_EQ(depths({"b1", "b2 b3", "b1 b4", "b1 b4", "b1 b5", ""}), Depths({0, 2, 2, 2, 1, 0}));
}

// Control comes into both blocks from outside: neither is a header.
TEST(Loops, TwoEntries) { EXPECT_EQ(depths({"b1 b2", "b2", "b1 b3", ""}), Depths({0, 0, 0, 0})); }

}  // namespace
}  // namespace kiln::ir
