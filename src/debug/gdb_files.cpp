// vFile: GDB reads the guest's files through the guest, so that `target:` paths lead to its own program and
// libraries (GDB manual, "Host I/O Packets" and "File-I/O Protocol" for numbers and struct stat).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "debug/gdb_framing.h"
#include "debug/gdb_session.h"

namespace kiln::debug {
namespace {

/// Linux's errno as the protocol has it.
int protocol_errno(int error) {
    switch (error) {
        case EPERM:
        case ENOENT:
        case EINTR:
        case EBADF:
        case EACCES:
        case EFAULT:
        case EBUSY:
        case EEXIST:
        case ENODEV:
        case ENOTDIR:
        case EISDIR:
        case EINVAL:
        case ENFILE:
        case EMFILE:
        case EFBIG:
        case ENOSPC:
        case ESPIPE:
        case EROFS: return error;
        case ENAMETOOLONG: return 91;
        default: return 9999;
    }
}

std::string failure(int error) { return "F-1," + to_hex(static_cast<u64>(protocol_errno(error))); }
std::string number(i64 value) { return "F" + to_hex(static_cast<u64>(value)); }
std::string attachment(std::string_view bytes) {
    return number(static_cast<i64>(bytes.size())) + ";" + std::string(bytes);
}

constexpr u64 o_wronly = 1, o_rdwr = 2, o_append = 8, o_creat = 0x200, o_trunc = 0x400, o_excl = 0x800;

int linux_flags(u64 flags) {
    int result = (flags & o_rdwr) != 0 ? O_RDWR : (flags & o_wronly) != 0 ? O_WRONLY : O_RDONLY;
    if (flags & o_append) result |= O_APPEND;
    if (flags & o_creat) result |= O_CREAT;
    if (flags & o_trunc) result |= O_TRUNC;
    if (flags & o_excl) result |= O_EXCL;
    return result;
}

void put_big_endian(std::string& text, u64 value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) text += static_cast<char>(value >> 8 * i);
}

std::string protocol_stat(const struct stat& facts) {
    std::string text;
    const auto word = [&](u64 value) { put_big_endian(text, value, 4); };
    const auto wide = [&](u64 value) { put_big_endian(text, value, 8); };
    word(facts.st_dev);
    word(facts.st_ino);
    word(facts.st_mode);
    word(facts.st_nlink);
    word(facts.st_uid);
    word(facts.st_gid);
    word(facts.st_rdev);
    wide(static_cast<u64>(facts.st_size));
    wide(static_cast<u64>(facts.st_blksize));
    wide(static_cast<u64>(facts.st_blocks));
    word(static_cast<u64>(facts.st_atime));
    word(static_cast<u64>(facts.st_mtime));
    word(static_cast<u64>(facts.st_ctime));
    return text;
}

}  // namespace

GdbSession::Answer GdbSession::file_packet(std::string_view args) {
    take(args, ":");
    const std::string_view operation = take_until(args, ':');
    if (operation == "open") return open_file(args);
    if (operation == "close") return close_file(args);
    if (operation == "pread") return read_file(args);
    if (operation == "pwrite") return write_file(args);
    if (operation == "fstat") return file_status(args);
    if (operation == "readlink") return read_link(args);
    // There is one file system to see, whichever process is meant.
    if (operation == "setfs") return number(0);
    return "";
}

std::string GdbSession::open_file(std::string_view args) {
    const auto path = from_hex(take_until(args, ','));
    const auto flags = take_hex(args);
    if (!path || !flags || !take(args, ",")) return failure(EINVAL);
    const auto mode = take_hex(args);
    if (!mode) return failure(EINVAL);
    const int fd = debuggee_.open_file(*path, linux_flags(*flags), static_cast<int>(*mode));
    if (fd < 0) return failure(-fd);
    files_.insert(fd);
    return number(fd);
}

/// Takes a descriptor that vFile:open gave; -1: it is none.
int GdbSession::take_file(std::string_view& args) const {
    const auto fd = take_hex(args);
    if (!fd || *fd > 0x7fffffff || !files_.contains(static_cast<int>(*fd))) return -1;
    return static_cast<int>(*fd);
}

std::string GdbSession::close_file(std::string_view args) {
    const int fd = take_file(args);
    if (fd < 0) return failure(EBADF);
    files_.erase(fd);
    return ::close(fd) == 0 ? number(0) : failure(errno);
}

std::string GdbSession::read_file(std::string_view args) {
    const int fd = take_file(args);
    if (fd < 0) return failure(EBADF);
    take(args, ",");
    const auto count = take_hex(args);
    if (!count || !take(args, ",")) return failure(EINVAL);
    const auto offset = take_hex(args);
    if (!offset) return failure(EINVAL);
    std::string bytes(std::min<u64>(*count, gdb_packet_bytes / 2), '\0');
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(*offset));
    if (got < 0) return failure(errno);
    return attachment(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)));
}

std::string GdbSession::write_file(std::string_view args) {
    const int fd = take_file(args);
    if (fd < 0) return failure(EBADF);
    take(args, ",");
    const auto offset = take_hex(args);
    if (!offset || !take(args, ",")) return failure(EINVAL);
    const ssize_t put = ::pwrite(fd, args.data(), args.size(), static_cast<off_t>(*offset));
    return put < 0 ? failure(errno) : number(put);
}

std::string GdbSession::file_status(std::string_view args) {
    const int fd = take_file(args);
    if (fd < 0) return failure(EBADF);
    struct stat facts;
    if (::fstat(fd, &facts) != 0) return failure(errno);
    return attachment(protocol_stat(facts));
}

std::string GdbSession::read_link(std::string_view args) {
    const auto path = from_hex(args);
    if (!path) return failure(EINVAL);
    char target[4096];
    const int bytes = debuggee_.read_link(*path, target);
    if (bytes < 0) return failure(-bytes);
    return attachment({target, static_cast<std::size_t>(bytes)});
}

}  // namespace kiln::debug
