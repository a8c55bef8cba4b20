// The mmap family of a guest address space against what Linux does, with the guest at its own addresses (base
// 0) and in an arena elsewhere. Where the host is Linux with room at low addresses, random sequences of calls
// are compared with the kernel itself, call by call.
#include "mem/address_space.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

#include "mem/access.h"
#include "mem/fault.h"

namespace kiln::mem {
namespace {

constexpr int rw = PROT_READ | PROT_WRITE;
constexpr int rx = PROT_READ | PROT_EXEC;
constexpr int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr int fixed = anonymous | MAP_FIXED;
constexpr u64 page = page_bytes;
constexpr u64 place = 0x4000'0000;

enum class Base { low, arena };

class AddressSpaceTest : public testing::TestWithParam<Base> {
  protected:
    static void SetUpTestSuite() { install_fault_handlers(); }
    void SetUp() override {
        auto made = AddressSpace::create({.low = GetParam() == Base::low});
        ASSERT_TRUE(made) << made.error().message;
        space = std::move(*made);
        if (GetParam() == Base::low && space->base() != 0)
            GTEST_SKIP() << "the host has no room at low addresses";
        if (GetParam() == Base::arena) ASSERT_NE(space->base(), 0u);
        space->set_code_listener(
            [this](GuestAddr begin, u64 bytes) { stale.emplace_back(begin.raw, bytes); });
    }
    i64 map(u64 hint, u64 length, int prot = rw, int flags = anonymous, int fd = -1, u64 offset = 0) {
        return space->map(GuestAddr(hint), length, prot, flags, fd, offset);
    }
    // The regions as text, to compare at one glance: "40000000+2 rw" in pages, a line each.
    std::string listing() const {
        std::string text;
        for (const Region& region : space->regions()) {
            char line[80];
            snprintf(
                line, sizeof line, "%llx+%llu %s%s%s\n", static_cast<unsigned long long>(region.begin.raw),
                static_cast<unsigned long long>(region.bytes() / page), region.prot & PROT_READ ? "r" : "-",
                region.prot & PROT_WRITE ? "w" : "-", region.prot & PROT_EXEC ? "x" : "-");
            text += line;
        }
        return text;
    }
    u8 byte_at(u64 address) const {
        u8 byte = 0xee;
        EXPECT_TRUE(space->read(GuestAddr(address), &byte, 1)) << std::hex << address;
        return byte;
    }
    bool readable(u64 address) const {
        u8 byte;
        return space->read(GuestAddr(address), &byte, 1);
    }
    void fill(u64 begin, u64 pages, u8 first) {
        for (u64 i = 0; i < pages; ++i) {
            const u8 byte = static_cast<u8>(first + i);
            ASSERT_TRUE(space->write(GuestAddr(begin + i * page), &byte, 1));
        }
    }

    std::unique_ptr<AddressSpace> space;
    std::vector<std::pair<u64, u64>> stale;
};

INSTANTIATE_TEST_SUITE_P(Bases, AddressSpaceTest, testing::Values(Base::low, Base::arena),
                         [](const auto& info) { return info.param == Base::low ? "low" : "arena"; });

class TempFile {
  public:
    explicit TempFile(size_t pages) : fd_(memfd_create("address_space_test", MFD_CLOEXEC)) {
        for (size_t i = 0; i < pages; ++i) {
            std::string text(page, static_cast<char>('a' + i));
            EXPECT_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        }
    }
    ~TempFile() { close(fd_); }
    int fd() const { return fd_; }

  private:
    int fd_;
};

TEST_P(AddressSpaceTest, MapsZeroedMemoryWhereThereIsRoomFromTheTop) {
    const i64 first = map(0, 3 * page);
    ASSERT_GT(first, 0);
    const i64 second = map(0, 1);
    EXPECT_EQ(second, first - static_cast<i64>(page));
    EXPECT_EQ(byte_at(static_cast<u64>(first) + page), 0);
    EXPECT_LT(static_cast<u64>(first), space->limit() - (u64{127} << 20)) << "room for the stack";
    EXPECT_EQ(space->regions().size(), 1u) << "neighbours that continue each other are one region";
    EXPECT_EQ(space->mapped_bytes(), 4 * page);
}

TEST_P(AddressSpaceTest, TakesAHintThatIsFreeAndIgnoresOneThatIsNot) {
    EXPECT_EQ(map(place + 123, page), static_cast<i64>(place));
    EXPECT_NE(map(place, page), static_cast<i64>(place));
    EXPECT_NE(map(space->limit(), page), static_cast<i64>(space->limit()));
    EXPECT_EQ(map(page, page), static_cast<i64>(lowest_address)) << "too low a hint means the lowest place";
}

TEST_P(AddressSpaceTest, BoundsHold) {
    TempFile file(8);
    const i64 first = map(place, 4 * page);
    ASSERT_EQ(first, static_cast<i64>(place));
    space->set_bounds({.total = 8 * page, .data = 6 * page});
    EXPECT_EQ(map(0, 5 * page), -ENOMEM);
    EXPECT_EQ(map(0, 3 * page), -ENOMEM) << "data";
    EXPECT_EQ(map(place + page, 5 * page, rw, anonymous | MAP_FIXED), static_cast<i64>(place + page))
        << "3 are replaced";
    EXPECT_EQ(map(place + 16 * page, 2 * page, PROT_READ, MAP_PRIVATE, file.fd()),
              static_cast<i64>(place + 16 * page));
    EXPECT_EQ(space->protect(GuestAddr(place + 16 * page), page, rw), -ENOMEM);
    EXPECT_EQ(space->remap(GuestAddr(place), 6 * page, 7 * page, MREMAP_MAYMOVE, GuestAddr(0)), -ENOMEM);
    EXPECT_EQ(map(0, page, rw, MAP_SHARED | MAP_ANONYMOUS), -ENOMEM);
    EXPECT_EQ(map(0, page, rw, anonymous | MAP_GROWSDOWN) < 0, false) << "stacks do not count";
    space->set_brk_start(GuestAddr(place + 32 * page));
    EXPECT_EQ(space->brk(GuestAddr(place + 33 * page)), GuestAddr(place + 32 * page));
    EXPECT_EQ(space->unmap(GuestAddr(place), 2 * page), 0);
    EXPECT_EQ(space->brk(GuestAddr(place + 33 * page)), GuestAddr(place + 33 * page));
    EXPECT_EQ(space->protect(GuestAddr(place + 16 * page), page, rw), 0);
    EXPECT_EQ(map(0, page), -ENOMEM);
    space->clear();
    EXPECT_GT(map(0, 6 * page), 0);
}

TEST_P(AddressSpaceTest, RefusesWhatLinuxRefuses) {
    TempFile file(1);
    EXPECT_EQ(map(0, 0), -EINVAL);
    EXPECT_EQ(map(0, page, rw, anonymous, -1, 5), -EINVAL);
    EXPECT_EQ(map(0, ~u64{0}), -ENOMEM);
    EXPECT_EQ(map(0, space->limit()), -ENOMEM);
    EXPECT_EQ(map(place + 1, page, rw, fixed), -EINVAL);
    EXPECT_EQ(map(space->limit(), page, rw, fixed), -ENOMEM);
    EXPECT_EQ(map(space->limit() - page, 2 * page, rw, fixed), -ENOMEM);
    EXPECT_EQ(map(~u64{0} - page + 1, page, rw, fixed), -ENOMEM);
    EXPECT_EQ(map(0, page, rw, fixed), -EPERM);
    EXPECT_EQ(map(0, page, rw, MAP_ANONYMOUS), -EINVAL);
    EXPECT_EQ(map(0, page, rw, MAP_PRIVATE, 987), -EBADF);
    EXPECT_EQ(map(0, 2 * page, rw, MAP_PRIVATE, file.fd(), ~u64{0} - page + 1), -EOVERFLOW);
    EXPECT_EQ(map(0, page, rw, MAP_SHARED_VALIDATE | (1 << 25), file.fd()), -EOPNOTSUPP);
    EXPECT_EQ(map(0, page, rw, anonymous | MAP_HUGETLB), -ENOMEM);
    EXPECT_EQ(listing(), "");
    EXPECT_GT(map(space->limit() - page, page, rw, fixed), 0) << "the last page is the guest's";
}

TEST_P(AddressSpaceTest, FixedReplacesAndNoreplaceDoesNot) {
    ASSERT_GT(map(place, 4 * page, rw, fixed), 0);
    fill(place, 4, 1);
    EXPECT_EQ(map(place + page, 2 * page, PROT_READ, fixed), static_cast<i64>(place + page));
    EXPECT_EQ(listing(), "40000000+1 rw-\n40001000+2 r--\n40003000+1 rw-\n");
    EXPECT_EQ(byte_at(place), 1);
    EXPECT_EQ(byte_at(place + page), 0);
    EXPECT_EQ(byte_at(place + 3 * page), 4);
    EXPECT_EQ(map(place + 3 * page, 2 * page, rw, anonymous | MAP_FIXED_NOREPLACE), -EEXIST);
    EXPECT_EQ(map(place + 4 * page, 2 * page, rw, anonymous | MAP_FIXED_NOREPLACE),
              static_cast<i64>(place + 4 * page));
    // Over a mapping and the holes on both sides of it.
    EXPECT_EQ(map(place - page, 8 * page, PROT_READ, fixed), static_cast<i64>(place - page));
    EXPECT_EQ(listing(), "3ffff000+8 r--\n");
}

TEST_P(AddressSpaceTest, UnmapCutsHolesAndAcceptsThem) {
    ASSERT_GT(map(place, 5 * page, rw, fixed), 0);
    fill(place, 5, 1);
    EXPECT_EQ(space->unmap(GuestAddr(place + 1), page), -EINVAL);
    EXPECT_EQ(space->unmap(GuestAddr(place), 0), -EINVAL);
    EXPECT_EQ(space->unmap(GuestAddr(space->limit()), page), -EINVAL);
    EXPECT_EQ(space->unmap(GuestAddr(place), ~u64{0}), -EINVAL);
    EXPECT_EQ(space->unmap(GuestAddr(place + page), 1), 0);
    EXPECT_EQ(space->unmap(GuestAddr(place + 3 * page), page), 0);
    EXPECT_EQ(listing(), "40000000+1 rw-\n40002000+1 rw-\n40004000+1 rw-\n");
    EXPECT_FALSE(readable(place + page));
    EXPECT_EQ(byte_at(place + 2 * page), 3);
    EXPECT_EQ(space->unmap(GuestAddr(place - page), 7 * page), 0);
    EXPECT_EQ(listing(), "");
    EXPECT_EQ(space->unmap(GuestAddr(place), page), 0);
}

TEST_P(AddressSpaceTest, ProtectSplitsMergesAndStopsAtHoles) {
    ASSERT_GT(map(place, 4 * page, rw, fixed), 0);
    EXPECT_EQ(space->protect(GuestAddr(place + 1), page, rw), -EINVAL);
    EXPECT_EQ(space->protect(GuestAddr(place), page, 0x40), -EINVAL);
    EXPECT_EQ(space->protect(GuestAddr(place), 0, PROT_NONE), 0);
    EXPECT_EQ(space->protect(GuestAddr(place), ~u64{0} - page, PROT_NONE), -ENOMEM);
    EXPECT_EQ(space->protect(GuestAddr(place + page), page, PROT_NONE), 0);
    EXPECT_EQ(listing(), "40000000+1 rw-\n40001000+1 ---\n40002000+2 rw-\n");
    EXPECT_FALSE(readable(place + page));
    EXPECT_EQ(space->protect(GuestAddr(place + page), page, rw), 0);
    EXPECT_EQ(listing(), "40000000+4 rw-\n");
    ASSERT_EQ(space->unmap(GuestAddr(place + 2 * page), page), 0);
    EXPECT_EQ(space->protect(GuestAddr(place), 4 * page, PROT_READ), -ENOMEM);
    EXPECT_EQ(listing(), "40000000+2 r--\n40003000+1 rw-\n") << "what lies before the hole is done";
}

TEST_P(AddressSpaceTest, GuestCodeIsReadableAndNeverExecutableForTheHost) {
    ASSERT_GT(map(place, page, PROT_EXEC | PROT_READ | PROT_WRITE, fixed), 0);
    EXPECT_TRUE(readable(place));
    FILE* maps = fopen("/proc/self/maps", "re");
    ASSERT_TRUE(maps);
    bool seen = false;
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        unsigned long begin, end;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &begin, &end, rights) != 3) continue;
        const u64 wanted = reinterpret_cast<u64>(space->host(GuestAddr(place)));
        if (wanted < begin || wanted >= end) continue;
        seen = true;
        EXPECT_STREQ(rights, "rw-p");
    }
    fclose(maps);
    EXPECT_TRUE(seen);
}

TEST_P(AddressSpaceTest, RemapGrowsShrinksAndMoves) {
    ASSERT_GT(map(place, 2 * page, rw, fixed), 0);
    fill(place, 2, 1);
    auto remap = [&](u64 old_begin, u64 old_length, u64 new_length, int flags, u64 to = 0) {
        return space->remap(GuestAddr(old_begin), old_length, new_length, flags, GuestAddr(to));
    };
    EXPECT_EQ(remap(place, 2 * page, 4 * page, 0), static_cast<i64>(place));
    EXPECT_EQ(listing(), "40000000+4 rw-\n");
    EXPECT_EQ(byte_at(place + page), 2);
    EXPECT_EQ(byte_at(place + 3 * page), 0);
    EXPECT_EQ(remap(place, 4 * page, 2 * page, 0), static_cast<i64>(place));
    EXPECT_EQ(listing(), "40000000+2 rw-\n");
    EXPECT_FALSE(readable(place + 2 * page));

    ASSERT_GT(map(place + 2 * page, page, PROT_READ, fixed), 0);
    EXPECT_EQ(remap(place, 2 * page, 3 * page, 0), -ENOMEM);
    const i64 moved = remap(place, 2 * page, 3 * page, MREMAP_MAYMOVE);
    ASSERT_GT(moved, 0);
    EXPECT_EQ(byte_at(static_cast<u64>(moved)), 1);
    EXPECT_EQ(byte_at(static_cast<u64>(moved) + page), 2);
    EXPECT_FALSE(readable(place));

    const u64 target = place + 0x100 * page;
    ASSERT_GT(map(target, 5 * page, PROT_READ, fixed), 0);
    EXPECT_EQ(remap(static_cast<u64>(moved), 3 * page, page, MREMAP_MAYMOVE | MREMAP_FIXED, target + page),
              static_cast<i64>(target + page));
    EXPECT_EQ(listing(), "40002000+1 r--\n40100000+1 r--\n40101000+1 rw-\n40102000+3 r--\n");
    EXPECT_EQ(byte_at(target + page), 1);
    EXPECT_FALSE(readable(static_cast<u64>(moved) + page));
    // The place left behind can be had again.
    EXPECT_EQ(map(static_cast<u64>(moved), 3 * page, rw, anonymous | MAP_FIXED_NOREPLACE), moved);
}

TEST_P(AddressSpaceTest, RemapKeepsTheOldPlaceWithDontunmap) {
    ASSERT_GT(map(place, 2 * page, rw, fixed), 0);
    fill(place, 2, 7);
    const i64 moved =
        space->remap(GuestAddr(place), 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, {});
    ASSERT_GT(moved, 0) << std::strerror(static_cast<int>(-moved));
    EXPECT_EQ(byte_at(static_cast<u64>(moved) + page), 8);
    EXPECT_EQ(byte_at(place), 0) << "still mapped, and empty";
}

TEST_P(AddressSpaceTest, RemapRefusesWhatLinuxRefuses) {
    ASSERT_GT(map(place, 2 * page, rw, fixed), 0);
    auto remap = [&](u64 old_begin, u64 old_length, u64 new_length, int flags, u64 to = 0) {
        return space->remap(GuestAddr(old_begin), old_length, new_length, flags, GuestAddr(to));
    };
    EXPECT_EQ(remap(place + 1, page, page, 0), -EINVAL);
    EXPECT_EQ(remap(place, page, 0, 0), -EINVAL);
    EXPECT_EQ(remap(place, page, page, 8), -EINVAL);
    EXPECT_EQ(remap(place, page, page, MREMAP_FIXED, place + 16 * page), -EINVAL);
    EXPECT_EQ(remap(place, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, place + 1), -EINVAL);
    EXPECT_EQ(remap(place, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, place + page), -EINVAL);
    EXPECT_EQ(remap(place, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, space->limit()), -EINVAL);
    EXPECT_EQ(remap(place, page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), -EINVAL);
    EXPECT_EQ(remap(place - page, page, 2 * page, MREMAP_MAYMOVE), -EFAULT);
    EXPECT_EQ(remap(place, 3 * page, 4 * page, MREMAP_MAYMOVE), -EFAULT);
    EXPECT_EQ(remap(~u64{0} - page + 1, page, 2 * page, MREMAP_MAYMOVE), -EFAULT);
    EXPECT_EQ(remap(place, ~u64{0} - page, ~u64{0} - page, MREMAP_MAYMOVE), -EINVAL);
    EXPECT_EQ(remap(place, 2 * page, space->limit(), MREMAP_MAYMOVE), -ENOMEM);
    EXPECT_EQ(remap(place, 0, page, MREMAP_MAYMOVE), -EINVAL) << "only shared memory can be seen twice";
    EXPECT_EQ(listing(), "40000000+2 rw-\n");
}

TEST_P(AddressSpaceTest, SharedMemoryCanBeSeenTwice) {
    ASSERT_GT(map(place, 2 * page, rw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED), 0);
    const i64 twin = space->remap(GuestAddr(place), 0, 2 * page, MREMAP_MAYMOVE, {});
    ASSERT_GT(twin, 0);
    fill(place, 2, 0x21);
    EXPECT_EQ(byte_at(static_cast<u64>(twin) + page), 0x22);
    EXPECT_EQ(space->regions().size(), 2u);
}

TEST_P(AddressSpaceTest, FilesKeepNameAndOffsetThroughCuts) {
    TempFile file(4);
    ASSERT_GT(map(place, 4 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.fd()), 0);
    ASSERT_EQ(space->unmap(GuestAddr(place + page), page), 0);
    EXPECT_EQ(byte_at(place + 2 * page), 'c');
    auto tail = space->find(GuestAddr(place + 3 * page));
    ASSERT_TRUE(tail);
    EXPECT_EQ(tail->begin, GuestAddr(place + 2 * page));
    EXPECT_EQ(tail->offset, 2 * page);
    EXPECT_NE(tail->backing->name.find("address_space_test"), std::string::npos);
    EXPECT_FALSE(tail->backing->anonymous);
    EXPECT_NE(tail->backing->inode, 0u);
    ASSERT_GT(map(place + page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.fd(), page), 0);
    EXPECT_EQ(listing(), "40000000+4 r--\n") << "the same file at consecutive offsets is one region";
    ASSERT_GT(map(place + page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.fd(), 3 * page), 0);
    EXPECT_EQ(space->regions().size(), 3u);
    EXPECT_EQ(byte_at(place + page), 'd');
}

TEST_P(AddressSpaceTest, ALibrarysNameSaysWhereItIsMapped) {
    const int one = memfd_create("libone.so", 0), other = memfd_create("libother.so", 0);
    ASSERT_EQ(ftruncate(one, 4 * page), 0);
    ASSERT_EQ(ftruncate(other, 4 * page), 0);
    const auto load = [&](int file) { return map(0, 4 * page, rx, MAP_PRIVATE, file); };
    const i64 first = load(one), second = load(other);
    ASSERT_GT(first, 0);
    ASSERT_GT(second, 0);
    EXPECT_NE(first, second);
    const i64 again = load(one);  // its place is taken
    EXPECT_NE(again, first);
    for (i64 begin : {first, second, again})
        EXPECT_EQ(space->unmap(GuestAddr(static_cast<u64>(begin)), 4 * page), 0);
    // Whatever comes before, and however much there is.
    EXPECT_EQ(load(other), second);
    EXPECT_EQ(load(one), first);
    // Data has no such place.
    EXPECT_GT(map(0, 4 * page, PROT_READ, MAP_PRIVATE, one), first);
    close(one);
    close(other);
}

TEST_P(AddressSpaceTest, BrkGrowsShrinksAndStaysPutOnFailure) {
    EXPECT_EQ(space->brk(GuestAddr(0)), GuestAddr(0));
    const GuestAddr start(place + 0x123);
    space->set_brk_start(start);
    EXPECT_EQ(space->brk(GuestAddr(0)), start);
    EXPECT_EQ(space->brk(start - 1), start);
    EXPECT_EQ(space->brk(start + 2 * page), start + 2 * page);
    EXPECT_EQ(listing(), "40001000+2 rw-\n");
    EXPECT_EQ(space->find(GuestAddr(place + page))->backing->name, "[heap]");
    fill(place + page, 2, 5);
    EXPECT_EQ(space->brk(start + 5 * page), start + 5 * page);
    EXPECT_EQ(listing(), "40001000+5 rw-\n");
    EXPECT_EQ(space->brk(start + page), start + page);
    EXPECT_EQ(listing(), "40001000+1 rw-\n");
    EXPECT_EQ(byte_at(place + page), 5);
    EXPECT_EQ(space->brk(start + 3 * page), start + 3 * page);
    EXPECT_EQ(byte_at(place + 2 * page), 0) << "given back, then zero again";
    ASSERT_GT(map(place + 8 * page, page, rw, fixed), 0);
    EXPECT_EQ(space->brk(start + 9 * page), start + 3 * page) << "something is in the way";
    EXPECT_EQ(space->brk(GuestAddr(space->limit() + page)), start + 3 * page);
    EXPECT_EQ(space->brk(GuestAddr(~u64{0})), start + 3 * page);
}

TEST_P(AddressSpaceTest, CopiesSurviveBadPointers) {
    ASSERT_GT(map(place, 2 * page, rw, fixed), 0);
    ASSERT_EQ(space->protect(GuestAddr(place + page), page, PROT_READ), 0);
    u8 buffer[2 * page] = {1};
    EXPECT_TRUE(space->write(GuestAddr(place), buffer, page));
    EXPECT_FALSE(space->write(GuestAddr(place), buffer, page + 1));
    EXPECT_TRUE(space->read(GuestAddr(place), buffer, 2 * page));
    EXPECT_FALSE(space->read(GuestAddr(place + page), buffer, page + 1));
    EXPECT_FALSE(space->read(GuestAddr(space->limit() - 1), buffer, 2));
    EXPECT_FALSE(space->read(GuestAddr(~u64{0}), buffer, 2));
    EXPECT_FALSE(space->read(GuestAddr(0), buffer, 1));

    const std::string text = "across a page";
    ASSERT_EQ(space->protect(GuestAddr(place + page), page, rw), 0);
    const u64 at = place + page - 4;
    ASSERT_TRUE(space->write(GuestAddr(at), text.c_str(), text.size() + 1));
    EXPECT_EQ(space->read_string(GuestAddr(at), 100), text);
    EXPECT_EQ(space->read_string(GuestAddr(at), 6), "across") << "no terminator among six bytes";
    std::memset(buffer, 'x', page);
    ASSERT_TRUE(space->write(GuestAddr(place + page), buffer, page));
    EXPECT_EQ(space->read_string(GuestAddr(place + page + 9), 2 * page), std::nullopt) << "runs into a hole";
    EXPECT_EQ(space->read_string(GuestAddr(~u64{0}), 10), std::nullopt);
}

TEST_P(AddressSpaceTest, FetchesExecutableBytesOnly) {
    ASSERT_GT(map(place, 4 * page, rw, fixed), 0);
    fill(place, 4, 0x13);
    EXPECT_TRUE(space->fetch(GuestAddr(place)).empty());
    EXPECT_EQ(space->fetch_fault(GuestAddr(place)), abi::FaultKind::protected_);
    EXPECT_EQ(space->fetch_fault(GuestAddr(place - 1)), abi::FaultKind::unmapped);
    EXPECT_EQ(space->fetch_fault(GuestAddr(~u64{0})), abi::FaultKind::unmapped);
    ASSERT_EQ(space->protect(GuestAddr(place), page, rx), 0);
    auto bytes = space->fetch(GuestAddr(place + page - 2));
    EXPECT_EQ(bytes.size(), 2u) << "the next page is not executable";
    ASSERT_EQ(space->protect(GuestAddr(place + page), 3 * page, PROT_EXEC), 0);
    bytes = space->fetch(GuestAddr(place + page - 2));
    EXPECT_EQ(bytes.data(), space->host(GuestAddr(place + page - 2)));
    ASSERT_GE(bytes.size(), 4u);
    EXPECT_EQ(bytes[2], 0x14) << "execute-only pages can be lifted";
}

TEST_P(AddressSpaceTest, CodeBehindTheEndOfAFileIsABusError) {
    TempFile file(1);
    ASSERT_GT(map(place, 2 * page, rx, MAP_PRIVATE | MAP_FIXED, file.fd()), 0);
    EXPECT_EQ(space->fetch(GuestAddr(place + 8)).size(), page - 8);
    EXPECT_TRUE(space->fetch(GuestAddr(place + page)).empty());
    EXPECT_EQ(space->fetch_fault(GuestAddr(place + page)), abi::FaultKind::bus);
}

TEST_P(AddressSpaceTest, TellsTheListenerOfCodeThatChanges) {
    using Ranges = std::vector<std::pair<u64, u64>>;
    ASSERT_GT(map(place, 4 * page, rw, fixed), 0);
    ASSERT_EQ(space->protect(GuestAddr(place + page), 2 * page, rx), 0);
    EXPECT_EQ(stale, Ranges{}) << "nothing was executable before";
    ASSERT_EQ(space->unmap(GuestAddr(place + 3 * page), page), 0);
    EXPECT_EQ(stale, Ranges{});
    ASSERT_GT(map(place, 2 * page, rw, fixed), 0);
    EXPECT_EQ(stale, (Ranges{{place + page, page}})) << "replaced in part";
    stale.clear();
    ASSERT_EQ(space->protect(GuestAddr(place + 2 * page), page, rw), 0);
    EXPECT_EQ(stale, (Ranges{{place + 2 * page, page}}));
    stale.clear();
    ASSERT_EQ(space->protect(GuestAddr(place), 3 * page, rx), 0);
    ASSERT_EQ(space->advise(GuestAddr(place), page, MADV_DONTNEED), 0);
    EXPECT_EQ(stale, (Ranges{{place, page}}));
    stale.clear();
    const i64 moved = space->remap(GuestAddr(place), page, page, MREMAP_MAYMOVE | MREMAP_FIXED,
                                   GuestAddr(place + 0x100 * page));
    ASSERT_GT(moved, 0);
    EXPECT_EQ(stale, (Ranges{{place, page}}));
    stale.clear();
    ASSERT_EQ(space->unmap(GuestAddr(place), 3 * page), 0);
    EXPECT_EQ(stale, (Ranges{{place + page, 2 * page}}));
    stale.clear();
    space->clear();
    EXPECT_EQ(stale, (Ranges{{place + 0x100 * page, page}}));
    EXPECT_EQ(listing(), "");
}

TEST_P(AddressSpaceTest, AdviceSyncAndResidencyStopAtHoles) {
    ASSERT_GT(map(place, 3 * page, rw, fixed), 0);
    fill(place, 3, 1);
    u8 residency[3] = {};
    EXPECT_EQ(space->mincore(GuestAddr(place), 3 * page, residency), 0);
    EXPECT_TRUE(residency[2] & 1);
    EXPECT_EQ(space->sync(GuestAddr(place), page, MS_SYNC | MS_ASYNC), -EINVAL);
    EXPECT_EQ(space->sync(GuestAddr(place), 3 * page, MS_SYNC), 0);
    EXPECT_EQ(space->advise(GuestAddr(place + 1), page, MADV_DONTNEED), -EINVAL);
    EXPECT_EQ(space->advise(GuestAddr(place), page, MADV_DONTNEED), 0);
    EXPECT_EQ(byte_at(place), 0);
    ASSERT_EQ(space->unmap(GuestAddr(place + page), page), 0);
    EXPECT_EQ(space->advise(GuestAddr(place), 3 * page, MADV_DONTNEED), -ENOMEM);
    EXPECT_EQ(byte_at(place + 2 * page), 0) << "what lies behind the hole is done";
    EXPECT_EQ(space->mincore(GuestAddr(place), 3 * page, residency), -ENOMEM);
    EXPECT_EQ(space->sync(GuestAddr(place), 3 * page, MS_SYNC), -ENOMEM);
    EXPECT_EQ(space->lock(GuestAddr(place), 3 * page, 0), -ENOMEM);
    EXPECT_EQ(space->unlock(GuestAddr(place), 3 * page), -ENOMEM);
    EXPECT_EQ(space->lock(GuestAddr(place + 5), 10, 0), 0);
    EXPECT_EQ(space->unlock(GuestAddr(place + 5), 10), 0);
    EXPECT_EQ(space->advise(GuestAddr(space->limit() - page), 2 * page, MADV_DONTNEED), -ENOMEM);
}

TEST_P(AddressSpaceTest, NothingIsThereBeyondWhatTheGuestMapped) {
    EXPECT_EQ(space->fault_kind(GuestAddr(place), GetParam() == Base::low ? abi::FaultKind::unmapped
                                                                          : abi::FaultKind::protected_),
              abi::FaultKind::unmapped);
    ASSERT_GT(map(place, page, PROT_NONE, fixed), 0);
    EXPECT_EQ(space->fault_kind(GuestAddr(place), abi::FaultKind::protected_), abi::FaultKind::protected_);
}

TEST_P(AddressSpaceTest, ThreadsMapAndUnmapAtOnce) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([this, t] {
            for (int i = 0; i < 200; ++i) {
                const i64 at = space->map(GuestAddr(0), (1 + t) * page, rw, anonymous, -1, 0);
                ASSERT_GT(at, 0);
                const u64 mark = static_cast<u64>(at) + static_cast<u64>(t);
                ASSERT_TRUE(space->write(GuestAddr(static_cast<u64>(at)), &mark, sizeof mark));
                u64 back = 0;
                ASSERT_TRUE(space->read(GuestAddr(static_cast<u64>(at)), &back, sizeof back));
                ASSERT_EQ(back, mark) << "no other thread got the same place";
                ASSERT_EQ(space->unmap(GuestAddr(static_cast<u64>(at)), (1 + t) * page), 0);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(listing(), "");
}

// Random calls on a window of 24 pages, made on the guest's address space and on the kernel's own at a place
// nobody else uses; results and contents must agree.
TEST_P(AddressSpaceTest, AgreesWithTheKernel) {
    constexpr u64 window = 24;
    constexpr u64 guest_begin = place;
    u8* const host_begin = reinterpret_cast<u8*>(0x6000'0000'0000);
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    GTEST_SKIP() << "no free place at a fixed address";
#endif
#endif
    std::mt19937_64 random(7);
    auto one_of = [&](std::initializer_list<int> list) { return *(list.begin() + random() % list.size()); };
    TempFile file(8);
    for (int step = 0; step < 6000; ++step) {
        const u64 first = random() % (window - 4), pages = 1 + random() % 4;
        const GuestAddr guest(guest_begin + first * page);
        u8* const host = host_begin + first * page;
        const int prot = one_of({PROT_NONE, PROT_READ, rw});
        i64 ours = 0, theirs = 0;
        std::string what;
        auto from = [](void* result, u8* begin) {
            return result == MAP_FAILED ? -errno : static_cast<u8*>(result) - begin;
        };
        switch (random() % 6) {
            case 0: {
                const int flags = anonymous | one_of({MAP_FIXED, MAP_FIXED_NOREPLACE});
                what = "map";
                ours = space->map(guest, pages * page, prot, flags, -1, 0);
                if (ours >= 0) ours -= static_cast<i64>(guest_begin);
                theirs = from(mmap(host, pages * page, prot, flags, -1, 0), host_begin);
                break;
            }
            case 1: {
                const int flags = MAP_FIXED | one_of({MAP_PRIVATE, MAP_SHARED});
                const u64 offset = random() % 4 * page;
                what = "map file";
                ours = space->map(guest, pages * page, prot, flags, file.fd(), offset);
                if (ours >= 0) ours -= static_cast<i64>(guest_begin);
                theirs = from(mmap(host, pages * page, prot, flags, file.fd(), static_cast<off_t>(offset)),
                              host_begin);
                break;
            }
            case 2:
                what = "unmap";
                ours = space->unmap(guest, pages * page);
                theirs = munmap(host, pages * page) ? -errno : 0;
                break;
            case 3:
                what = "protect";
                ours = space->protect(guest, pages * page, prot);
                theirs = mprotect(host, pages * page, prot) ? -errno : 0;
                break;
            case 4:
                what = "advise";
                ours = space->advise(guest, pages * page, MADV_DONTNEED);
                theirs = madvise(host, pages * page, MADV_DONTNEED) ? -errno : 0;
                break;
            case 5: {
                const u64 target = random() % (window - 4);
                what = "remap";
                // A piece that spans mappings of different kinds is refused; which pieces the kernel keeps as
                // one mapping is its own affair, so only single pages are moved.
                ours = space->remap(guest, page, page, MREMAP_MAYMOVE | MREMAP_FIXED,
                                    GuestAddr(guest_begin + target * page));
                if (ours >= 0) ours -= static_cast<i64>(guest_begin);
                theirs =
                    from(mremap(host, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, host_begin + target * page),
                         host_begin);
                break;
            }
        }
        ASSERT_EQ(ours, theirs) << what << " at step " << step << ", page " << first << "+" << pages << "\n"
                                << listing();
        // A mark in one writable page, the same in both.
        const u64 mark_page = random() % window;
        const u8 mark = static_cast<u8>(step);
        const bool written = space->write(GuestAddr(guest_begin + mark_page * page + 9), &mark, 1);
        const bool host_written = copy_to(host_begin + mark_page * page + 9, &mark, 1);
        ASSERT_EQ(written, host_written) << what << " at step " << step << ", writing page " << mark_page;
        if (step % 8) continue;
        for (u64 i = 0; i < window; ++i) {
            u8 a[10] = {}, b[10] = {};
            const bool can = space->read(GuestAddr(guest_begin + i * page), a, sizeof a);
            ASSERT_EQ(can, copy_from(b, host_begin + i * page, sizeof b))
                << what << " at step " << step << ", page " << i;
            ASSERT_EQ(std::memcmp(a, b, sizeof a), 0) << what << " at step " << step << ", page " << i;
        }
    }
    munmap(host_begin, window * page);
}

TEST_P(AddressSpaceTest, NothingOfTheHostsIsAtSmallNegativeAddresses) {
    // The host puts new mappings right below what it has.
    constexpr u64 bytes = u64{1} << 30;
    void* const hosts = mmap(nullptr, bytes, PROT_READ, anonymous | MAP_NORESERVE, -1, 0);
    ASSERT_NE(hosts, MAP_FAILED);
    u8 byte;
    for (i64 address : {i64{-1}, -i64{page}, -(i64{1} << 20), -(i64{1} << 31)})
        EXPECT_FALSE(copy_from(&byte, space->host(GuestAddr(static_cast<u64>(address))), 1)) << address;
    munmap(hosts, bytes);
}

TEST(AddressSpace, RefusesAbsurdOptions) {
    EXPECT_FALSE(AddressSpace::create({.limit = 12345}));
    EXPECT_FALSE(AddressSpace::create({.limit = 0}));
    EXPECT_FALSE(AddressSpace::create({.limit = u64{1} << 60}));
    EXPECT_FALSE(AddressSpace::create({.base = 77}));
    static int host_variable;
    auto over_ourselves = AddressSpace::create({.base = reinterpret_cast<u64>(&host_variable) & ~(page - 1)});
    ASSERT_FALSE(over_ourselves);
    EXPECT_NE(over_ourselves.error().message.find("cannot reserve"), std::string::npos);
}

TEST(AddressSpace, NeverReplacesTheHostsMemory) {
    auto space = AddressSpace::create({});
    ASSERT_TRUE(space);
    if ((*space)->base() != 0) GTEST_SKIP() << "the host has no room at low addresses";
    install_fault_handlers();
    u8* const mine = reinterpret_cast<u8*>(place);
    ASSERT_EQ(mmap(mine, page, rw, anonymous | MAP_FIXED_NOREPLACE, -1, 0), mine);
    mine[0] = 42;
    EXPECT_EQ((*space)->map(GuestAddr(place - page), 3 * page, rw, fixed, -1, 0), -ENOMEM);
    EXPECT_EQ((*space)->map(GuestAddr(place), page, rw, anonymous | MAP_FIXED_NOREPLACE, -1, 0), -EEXIST);
    EXPECT_GT((*space)->map(GuestAddr(place), page, rw, anonymous, -1, 0), 0) << "a hint leads elsewhere";
    EXPECT_EQ((*space)->unmap(GuestAddr(place - page), 3 * page), 0);
    EXPECT_EQ(mine[0], 42);
    // The search for a free place goes around what is the host's.
    (*space)->keep_clear_above(GuestAddr(place + page));
    const i64 at = (*space)->map(GuestAddr(0), page, rw, anonymous, -1, 0);
    EXPECT_EQ(at, static_cast<i64>(place - page));
    EXPECT_EQ(mine[0], 42);
    munmap(mine, page);
}

}  // namespace
}  // namespace kiln::mem
