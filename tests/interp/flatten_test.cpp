// Flattened functions do what the reference evaluator says, as made and after the passes.
#include <gtest/gtest.h>

#include <cstdlib>

#include "ir/print.h"
#include "ir/verify.h"
#include "opt/pipeline.h"
#include "random_ir.h"
#include "random_places.h"
#include "reference.h"

namespace kiln::test {
namespace {

using namespace ir;

/// KILN_INTERP_SEED and KILN_INTERP_FUNCTIONS widen the search.
u64 from_environment(const char* name, u64 otherwise) {
    const char* const text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

constexpr opt::Level levels[] = {opt::Level::none, opt::Level::tier0, opt::Level::full};

template <class Generate>
void check(u64 count, Generate&& generate) {
    std::mt19937_64 random(from_environment("KILN_INTERP_SEED", 1));
    irtool::Runner runner;
    Function f(irtool::env);
    for (u64 i = 0; i < count; ++i) {
        generate(f, random);
        const auto valid = verify(f);
        ASSERT_TRUE(valid) << valid.error().message << "\n" << print(f);
        constexpr unsigned states = 3;
        irtool::GuestState initial[states];
        irtool::Outcome expected[states];
        for (unsigned s = 0; s < states; ++s) {
            initial[s] = irtool::random_state(random);
            expected[s] = evaluate(f, initial[s]);
        }
        for (opt::Level level : levels) {
            Function optimized = f;
            opt::run_pipeline(optimized, level);
            for (unsigned s = 0; s < states; ++s) {
                const auto outcome = runner.run(optimized, initial[s]);
                ASSERT_TRUE(outcome) << "function " << i << ", level " << int(level) << ": "
                                     << outcome.error().message << "\n"
                                     << print(f) << print(optimized);
                const auto different = irtool::difference(initial[s], expected[s], *outcome);
                ASSERT_FALSE(different)
                    << "function " << i << ", level " << int(level) << " (first: expected):\n"
                    << *different << print(f) << print(optimized);
            }
        }
    }
}

TEST(Flatten, PlacesOfValues) { check(from_environment("KILN_INTERP_FUNCTIONS", 12'000), random_places); }
TEST(Flatten, TreesOfAllOperations) {
    check(from_environment("KILN_INTERP_FUNCTIONS", 4'000),
          [](Function& f, std::mt19937_64& random) { random_function(f, BlockShape::tree, random); });
}
TEST(Flatten, GraphsOfAllOperations) {
    check(from_environment("KILN_INTERP_FUNCTIONS", 4'000),
          [](Function& f, std::mt19937_64& random) { random_function(f, BlockShape::graph, random); });
}

}  // namespace
}  // namespace kiln::test
