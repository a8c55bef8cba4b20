#include "store/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/counters.h"
#include "base/hash.h"

namespace kiln::store {
namespace {

constexpr std::string_view image_suffix = ".units";
constexpr std::string_view new_suffix = ".new";

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_;
};

/// Opens the directory if it is this user's alone.
Descriptor open_directory(const std::string& path) {
    Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat facts;
    if (directory && fstat(directory.get(), &facts) == 0 && facts.st_uid == geteuid() &&
        (facts.st_mode & 077) == 0)
        return directory;
    return Descriptor(-1);
}

/// Makes the directory and those above it that are missing, for this user alone.
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

/// So that backup programs leave the directory out (the Cache Directory Tagging Specification).
void tag_directory(int directory) {
    const Descriptor tag(openat(directory, "CACHEDIR.TAG", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!tag) return;
    constexpr std::string_view text =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# Compiled units of Kiln. They are made again when they are missing.\n";
    write_all(tag.get(), {reinterpret_cast<const u8*>(text.data()), text.size()});
}

std::string name_of(const abi::ImageKey& key, const BuildId& build) {
    const u64 words[] = {key.low, key.high, build.word[0], build.word[1]};
    const std::span<const u8> bytes(reinterpret_cast<const u8*>(words), sizeof words);
    char name[33];
    std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hash_bytes(bytes)),
                  static_cast<unsigned long long>(hash_bytes(bytes, 1)));
    return name;
}

BuildId hash_of(const std::string& build) {
    const std::span<const u8> bytes(reinterpret_cast<const u8*>(build.data()), build.size());
    return {{hash_bytes(bytes), hash_bytes(bytes, 1)}};
}

struct Entry {
    std::string name;
    u64 bytes;
    time_t used;
};

/// The images in the directory.
std::vector<Entry> list_images(int directory) {
    std::vector<Entry> entries;
    const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const stream = own < 0 ? nullptr : fdopendir(own);
    if (stream == nullptr) {
        if (own >= 0) close(own);
        return entries;
    }
    while (const dirent* found = readdir(stream)) {
        struct stat facts;
        if (!std::string_view(found->d_name).ends_with(image_suffix)) continue;
        if (fstatat(directory, found->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(facts.st_mode))
            continue;
        entries.push_back({found->d_name, static_cast<u64>(facts.st_size), facts.st_mtime});
    }
    closedir(stream);
    return entries;
}

/// Removes the images that were not used for longest until the rest takes at most `most_bytes`.
void evict(int directory, u64 most_bytes) {
    std::vector<Entry> entries = list_images(directory);
    u64 bytes = 0;
    for (const Entry& entry : entries) bytes += entry.bytes;
    std::ranges::sort(entries, {}, &Entry::used);
    for (const Entry& entry : entries) {
        if (bytes <= most_bytes) return;
        if (unlinkat(directory, entry.name.c_str(), 0) == 0) bytes -= entry.bytes;
    }
}

class FileWriter final : public abi::ImageWriter {
  public:
    FileWriter(Descriptor directory, Descriptor file, std::string name, const abi::ImageKey& key,
               const BuildId& build, u64 most_bytes)
        : directory_(std::move(directory)),
          file_(std::move(file)),
          name_(std::move(name)),
          key_(key),
          build_(build),
          most_bytes_(most_bytes) {}
    ~FileWriter() override {
        if (!written_) unlinkat(directory_.get(), (name_ + std::string(new_suffix)).c_str(), 0);
    }

    Result<void> write(const abi::ImageOrigin& origin, std::span<const abi::Chapter> chapters) override {
        const std::vector<u8> bytes = image_bytes(key_, build_, origin, chapters);
        if (bytes.size() > most_bytes_) return fail("the image is larger than the store may be", EFBIG);
        // A file that is not whole has another size than its header says, so it need not reach the disk at once.
        if (ftruncate(file_.get(), 0) != 0 || !write_all(file_.get(), bytes))
            return fail("the image cannot be written", errno);
        const std::string fresh = name_ + std::string(new_suffix), final = name_ + std::string(image_suffix);
        if (renameat(directory_.get(), fresh.c_str(), directory_.get(), final.c_str()) != 0)
            return fail("the image cannot be put in place", errno);
        written_ = true;
        tag_directory(directory_.get());
        evict(directory_.get(), most_bytes_);
        return {};
    }

  private:
    const Descriptor directory_, file_;
    const std::string name_;
    const abi::ImageKey key_;
    const BuildId build_;
    const u64 most_bytes_;
    bool written_ = false;
};

}  // namespace

std::optional<DirectoryOptions> place_of(const std::string& chosen) {
    if (!chosen.empty()) return DirectoryOptions{.path = chosen};
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && cache[0] == '/')
        return DirectoryOptions{.path = std::string(cache) + "/kiln/units", .home = cache};
    const char* const home = std::getenv("HOME");
    if (home != nullptr && home[0] == '/')
        return DirectoryOptions{.path = std::string(home) + "/.cache/kiln/units", .home = home};
    return std::nullopt;
}

Directory::Directory(DirectoryOptions options)
    : options_(std::move(options)), build_(hash_of(options_.build)) {}

std::unique_ptr<abi::UnitImage> Directory::open(const abi::ImageKey& key) {
    if (options_.build.empty()) return nullptr;
    const Descriptor directory = open_directory(options_.path);
    if (!directory) return nullptr;
    const std::string name = name_of(key, build_) + std::string(image_suffix);
    // A FIFO must not keep us waiting.
    const Descriptor file(
        openat(directory.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat facts;
    if (!file || fstat(file.get(), &facts) != 0) return nullptr;
    std::unique_ptr<ImageFile> image;
    if (S_ISREG(facts.st_mode) && facts.st_uid == geteuid() && (facts.st_mode & 022) == 0)
        image = ImageFile::open(file.get(), key, build_);
    if (image == nullptr) {
        count(Counter::store_damaged);
        return nullptr;
    }
    // For eviction a day is near enough.
    constexpr time_t day = 86400;
    if (options_.writable && time(nullptr) - facts.st_mtime > day) futimens(file.get(), nullptr);
    return image;
}

std::unique_ptr<abi::ImageWriter> Directory::begin_write(const abi::ImageKey& key) {
    if (!writable()) return nullptr;
    // A user whose home is not there is not to have one.
    if (!options_.home.empty() && access(options_.home.c_str(), F_OK) != 0) return nullptr;
    if (!make_directory(options_.path)) return nullptr;
    Descriptor directory = open_directory(options_.path);
    if (!directory) return nullptr;
    std::string name = name_of(key, build_);
    const std::string fresh = name + std::string(new_suffix);
    Descriptor file(
        openat(directory.get(), fresh.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (!file || flock(file.get(), LOCK_EX | LOCK_NB) != 0) return nullptr;
    // Whoever had the lock may have renamed the file meanwhile.
    struct stat locked, there;
    if (fstat(file.get(), &locked) != 0 ||
        fstatat(directory.get(), fresh.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0 ||
        locked.st_ino != there.st_ino || locked.st_dev != there.st_dev || !S_ISREG(locked.st_mode))
        return nullptr;
    return std::make_unique<FileWriter>(std::move(directory), std::move(file), std::move(name), key, build_,
                                        options_.most_bytes);
}

Directory::Usage Directory::usage() const {
    Usage usage;
    const Descriptor directory = open_directory(options_.path);
    if (!directory) return usage;
    for (const Entry& entry : list_images(directory.get())) {
        ++usage.images;
        usage.bytes += entry.bytes;
    }
    return usage;
}

u64 Directory::clear() {
    u64 removed = 0;
    const Descriptor directory = open_directory(options_.path);
    if (!directory) return removed;
    for (const Entry& entry : list_images(directory.get()))
        removed += unlinkat(directory.get(), entry.name.c_str(), 0) == 0;
    return removed;
}

}  // namespace kiln::store
