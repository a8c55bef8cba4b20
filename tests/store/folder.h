// A folder of a test's own, which goes when the test ends.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace kiln::store {

class InAFolder : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/kiln-store-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        top_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(top_); }

    std::filesystem::path top_;
};

}  // namespace kiln::store
