#include "debug/perf_map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace kiln::debug {

Result<void> PerfMap::begin() {
    path_ = fmt::format("/tmp/perf-{}.map", getpid());
    unlink(path_.c_str());
    const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return fail("cannot write " + path_ + ": " + std::strerror(errno), errno);
    close(fd);
    return {};
}

void PerfMap::add(std::span<const u8> host_code, std::string_view name) const {
    const int fd = open(path_.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    write_all(fd,
              fmt::format("{:x} {:x} {}\n", reinterpret_cast<u64>(host_code.data()), host_code.size(), name));
    close(fd);
}

}  // namespace kiln::debug
