// The map of units against std::map, with pcs that collide, and with units taken out between others.
#include "run/unit_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace kiln::run {
namespace {

TEST(UnitMap, IsAMap) {
    std::mt19937_64 random(1);
    UnitMap map;
    std::map<u64, CachedUnit*> expected;
    for (int step = 0; step < 200'000; ++step) {
        // Few pcs in the first half, so that they come and go; later so many that the map grows.
        const u64 pc = random() % (step < 100'000 ? 1500 : 20'000) * 2;
        const auto known = expected.find(pc);
        ASSERT_EQ(map.find(pc), known == expected.end() ? nullptr : known->second);
        if (known == expected.end()) {
            auto unit = std::make_unique<CachedUnit>();
            unit->pc = pc;
            expected[pc] = unit.get();
            map.insert(std::move(unit));
        } else if (random() % 2 != 0) {
            ASSERT_EQ(map.take(pc).get(), known->second);
            expected.erase(known);
        }
    }
    std::size_t taken = 0;
    map.take_all([&](std::unique_ptr<CachedUnit> unit) { taken += expected.at(unit->pc) == unit.get(); });
    EXPECT_EQ(taken, expected.size());
    EXPECT_EQ(map.find(2), nullptr);
}

}  // namespace
}  // namespace kiln::run
