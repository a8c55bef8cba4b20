#include "store/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/counters.h"

namespace kiln::store {
namespace {

const std::string limit_file = "limit";

bool is_trusted(uid_t owner, Trust trust) {
    return owner == geteuid() || (trust == Trust::user_and_root && owner == 0);
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) close(fd_);
}

Descriptor open_directory(const std::string& path, Trust trust) {
    Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    const mode_t closed = trust == Trust::user ? 077 : 022;
    struct stat facts;
    if (directory && fstat(directory.get(), &facts) == 0 && is_trusted(facts.st_uid, trust) &&
        (facts.st_mode & closed) == 0)
        return directory;
    return Descriptor(-1);
}

Descriptor open_file(int directory, const std::string& name, Trust trust, bool& wrong) {
    // A FIFO must not keep us waiting.
    Descriptor file(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    wrong = !file && errno == ELOOP;
    struct stat facts;
    if (!file) return file;
    if (fstat(file.get(), &facts) == 0 && S_ISREG(facts.st_mode) && is_trusted(facts.st_uid, trust) &&
        (facts.st_mode & 022) == 0)
        return file;
    wrong = true;
    return Descriptor(-1);
}

bool make_directory(const std::string& path) {
    if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return true;
    const std::size_t slash = path.rfind('/');
    if (errno != ENOENT || slash == std::string::npos || slash == 0) return false;
    return make_directory(path.substr(0, slash)) && (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST);
}

bool write_all(int fd, std::span<const u8> bytes) {
    while (!bytes.empty()) {
        const ssize_t done = ::write(fd, bytes.data(), bytes.size());
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    return true;
}

bool replace_file(int directory, const std::string& name, std::string_view content) {
    const std::string fresh = name + std::string(new_suffix);
    const Descriptor file(openat(directory, fresh.c_str(),
                                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (file && write_all(file.get(), {reinterpret_cast<const u8*>(content.data()), content.size()}) &&
        renameat(directory, fresh.c_str(), directory, name.c_str()) == 0)
        return true;
    if (file) unlinkat(directory, fresh.c_str(), 0);
    return false;
}

std::string read_file(int directory, const std::string& name) {
    bool wrong;
    const Descriptor file = open_file(directory, name, Trust::user_and_root, wrong);
    std::string content;
    char buffer[4096];
    for (ssize_t got; file && (got = ::read(file.get(), buffer, sizeof buffer)) > 0;)
        content.append(buffer, static_cast<std::size_t>(got));
    return content;
}

std::vector<Entry> list_files(int directory, std::string_view suffix) {
    std::vector<Entry> entries;
    const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const stream = own < 0 ? nullptr : fdopendir(own);
    if (stream == nullptr) {
        if (own >= 0) close(own);
        return entries;
    }
    while (const dirent* found = readdir(stream)) {
        struct stat facts;
        if (!std::string_view(found->d_name).ends_with(suffix)) continue;
        if (fstatat(directory, found->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(facts.st_mode))
            continue;
        entries.push_back({found->d_name, static_cast<u64>(facts.st_size), facts.st_mtime});
    }
    closedir(stream);
    return entries;
}

u64 evict(int directory, u64 most_bytes) {
    std::vector<Entry> entries = list_files(directory, image_suffix);
    u64 bytes = 0, removed = 0;
    for (const Entry& entry : entries) bytes += entry.bytes;
    std::ranges::sort(entries, {}, &Entry::used);
    for (const Entry& entry : entries) {
        if (bytes <= most_bytes) break;
        if (unlinkat(directory, entry.name.c_str(), 0) != 0) continue;
        bytes -= entry.bytes;
        ++removed;
    }
    count(Counter::images_evicted, removed);
    return removed;
}

u64 limit_of(int directory, u64 otherwise) {
    const std::string text = read_file(directory, limit_file);
    u64 bytes = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    return error == std::errc{} && rest != text.data() ? bytes : otherwise;
}

bool set_limit(int directory, u64 bytes) {
    return replace_file(directory, limit_file, std::to_string(bytes) + '\n');
}

}  // namespace kiln::store
