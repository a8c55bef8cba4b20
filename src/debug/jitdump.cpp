#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/counters.h"
#include "base/log.h"
#include "debug/perf_map.h"

namespace kiln::debug {
namespace {

constexpr std::size_t page = 4096;

struct FileHeader {
    u32 magic = 0x4a695444;  // "JiTD"
    u32 version = 1;
    u32 bytes = sizeof(FileHeader);
    u32 machine = EM_X86_64;
    u32 padding = 0;
    u32 pid = 0;
    u64 time = 0;
    u64 flags = 0;
};

struct CodeLoad {
    u32 id = 0;  // JIT_CODE_LOAD
    u32 bytes = 0;
    u64 time = 0;
    u32 pid = 0, tid = 0;
    u64 address = 0, runs_at = 0;
    u64 code_bytes = 0;
    u64 index = 0;
};
static_assert(sizeof(FileHeader) == 40 && sizeof(CodeLoad) == 56);

template <class T>
std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

JitDump::~JitDump() {
    if (mark_ != nullptr) munmap(mark_, page);
}

Result<void> JitDump::begin() {
    path_ = fmt::format("{}/jit-{}.dump", folder_, getpid());
    unlink(path_.c_str());
    const FileHeader header{.pid = static_cast<u32>(getpid()), .time = CountedTime::now()};
    const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    void* mark = MAP_FAILED;
    // perf finds the file by this mapping, which is never used.
    if (fd >= 0 && write_all(fd, bytes_of(header)))
        mark = mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    const int error = errno;
    if (fd >= 0) close(fd);
    if (mark == MAP_FAILED) return fail("cannot make " + path_ + ": " + std::strerror(error), error);
    if (mark_ != nullptr) munmap(mark_, page);
    mark_ = mark;
    index_ = 0;
    return {};
}

void JitDump::add(std::span<const u8> host_code, std::string_view name) {
    const int fd = open(path_.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    const CodeLoad load{.bytes = static_cast<u32>(sizeof(CodeLoad) + name.size() + 1 + host_code.size()),
                        .time = CountedTime::now(),
                        .pid = static_cast<u32>(getpid()),
                        .tid = static_cast<u32>(gettid()),
                        .address = reinterpret_cast<u64>(host_code.data()),
                        .runs_at = reinterpret_cast<u64>(host_code.data()),
                        .code_bytes = host_code.size(),
                        .index = index_++};
    std::string record(bytes_of(load));
    record.append(name).push_back('\0');
    record.append(reinterpret_cast<const char*>(host_code.data()), host_code.size());
    write_all(fd, record);
    close(fd);
}

}  // namespace kiln::debug
