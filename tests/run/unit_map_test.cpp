// The map of units against std::map, with pcs that collide, and with units taken out between others; read while it
// changes.
#include "run/unit_map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

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

/// Others look while units come and go: they find the unit of the pc, or none.
TEST(UnitMap, IsReadWhileItChanges) {
    UnitMap map;
    constexpr u64 staying = 500;
    const auto add = [&](u64 pc) {
        auto unit = std::make_unique<CachedUnit>();
        unit->pc = pc;
        map.insert(std::move(unit));
    };
    std::atomic<bool> stop{false};
    std::vector<std::thread> readers;
    std::atomic<u64> found{0};
    for (u64 reader = 0; reader < 3; ++reader)
        readers.emplace_back([&, reader] {
            std::mt19937_64 random(reader);
            while (!stop) {
                const u64 pc = random() % 20'000 * 2;
                if (const CachedUnit* const unit = map.find(pc)) {
                    ASSERT_EQ(unit->pc, pc);
                    found.fetch_add(1, std::memory_order_relaxed);
                }
            }
        });
    std::mt19937_64 random(9);
    std::vector<std::unique_ptr<CachedUnit>> gone;  // readers may still have them
    for (u64 pc = 0; pc < staying; ++pc) add(2 * pc);
    for (int step = 0; step < 30'000; ++step) {
        const u64 pc = (staying + random() % 10'000) * 2;
        if (map.find(pc) == nullptr)
            add(pc);
        else
            gone.push_back(map.take(pc));
    }
    while (found == 0) std::this_thread::yield();
    stop = true;
    for (std::thread& reader : readers) reader.join();
    for (u64 pc = 0; pc < staying; ++pc) ASSERT_NE(map.find(2 * pc), nullptr);
}

}  // namespace
}  // namespace kiln::run
