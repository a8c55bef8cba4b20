// The copy of guest code that units are made from.
#include <cstring>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "guest.h"
#include "run/code_snapshot.h"

namespace kiln::test {
namespace {

/// A unit may come to an address before one that it was at already, and the code may change meanwhile.
TEST(CodeSnapshot, HashesWhatWasFetched) {
    Guest guest;
    u8* const memory = guest.space->host(code_at);
    std::memset(memory, 1, 256);
    run::CodeSnapshot code(*guest.space);
    const abi::CodeRange later{code_at + 64, 16};
    const std::vector<u8> fetched(code.fetch(later.begin).begin(),
                                  code.fetch(later.begin).begin() + later.bytes);
    memory[64] = 2;
    EXPECT_EQ(code.fetch(code_at).size(), 64u);
    EXPECT_EQ(code.hash(std::vector{later}), hash_bytes(fetched));
    EXPECT_NE(run::CodeSnapshot::hash_now(*guest.space, std::vector{later}), hash_bytes(fetched));
}

}  // namespace
}  // namespace kiln::test
