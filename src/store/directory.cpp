#include "store/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/counters.h"
#include "base/hash.h"
#include "store/files.h"
#include "store/statistics.h"

namespace kiln::store {
namespace {

/// So that backup programs leave the directory out (the Cache Directory Tagging Specification).
void tag_directory(int directory) {
    const Descriptor tag(openat(directory, "CACHEDIR.TAG", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!tag) return;
    constexpr std::string_view text =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# Compiled units of Kiln. They are made again when they are missing.\n";
    write_all(tag.get(), {reinterpret_cast<const u8*>(text.data()), text.size()});
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

    void add_spare(const abi::Chapter& chapter) override { spares_.add(chapter); }

    Result<void> write(const abi::ImageOrigin& origin, std::span<const abi::Chapter> chapters) override {
        const std::vector<u8> bytes = image_bytes(key_, build_, origin, chapters, spares_);
        if (bytes.size() > most_bytes_) return fail("the image is larger than the store may be", EFBIG);
        // A file that is not whole has another size than its header says, so it need not reach the disk at once.
        if (ftruncate(file_.get(), 0) != 0 || !write_all(file_.get(), bytes))
            return fail("the image cannot be written", errno);
        const std::string fresh = name_ + std::string(new_suffix), final = name_ + std::string(image_suffix);
        if (renameat(directory_.get(), fresh.c_str(), directory_.get(), final.c_str()) != 0)
            return fail("the image cannot be put in place", errno);
        written_ = true;
        count(Counter::images_written);
        for (const abi::Chapter& chapter : chapters) count(Counter::units_written, chapter.units.size());
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
    FileChapters spares_;
    bool written_ = false;
};

/// Null when somebody is at it, or it cannot be done.
std::unique_ptr<abi::ImageWriter> write_in(Descriptor directory, std::string name, const abi::ImageKey& key,
                                           const BuildId& build, u64 most_bytes) {
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
    const u64 most = limit_of(directory.get(), most_bytes);
    return std::make_unique<FileWriter>(std::move(directory), std::move(file), std::move(name), key, build,
                                        most);
}

}  // namespace

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
    const std::string name = name_of(key, build_) + std::string(image_suffix);
    if (auto image = open_in(options_.path, Trust::user, name, key)) return image;
    for (const std::string& layer : options_.layers)
        if (auto image = open_in(layer, Trust::user_and_root, name, key)) return image;
    return nullptr;
}

std::unique_ptr<abi::UnitImage> Directory::open_in(const std::string& path, Trust trust,
                                                   const std::string& name, const abi::ImageKey& key) const {
    const Descriptor directory = open_directory(path, trust);
    if (!directory) return nullptr;
    bool wrong;
    const Descriptor file = open_file(directory.get(), name, trust, wrong);
    std::unique_ptr<ImageFile> image;
    if (file) image = ImageFile::open(file.get(), key, build_);
    if (image == nullptr) {
        if (file || wrong) count(Counter::store_damaged);
        return nullptr;
    }
    // For eviction a day is near enough.
    constexpr time_t day = 86400;
    struct stat facts;
    if (options_.writable && trust == Trust::user && fstat(file.get(), &facts) == 0 &&
        time(nullptr) - facts.st_mtime > day)
        futimens(file.get(), nullptr);
    return image;
}

std::unique_ptr<abi::ImageWriter> Directory::begin_write(const abi::ImageKey& key) {
    if (!writable()) return nullptr;
    // A user whose home is not there is not to have one.
    if (!options_.home.empty() && access(options_.home.c_str(), F_OK) != 0) return nullptr;
    if (!make_directory(options_.path)) return nullptr;
    Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory) return nullptr;
    return write_in(std::move(directory), name_of(key, build_), key, build_, options_.most_bytes);
}

void Directory::begin_process() { counted_ = counted_so_far(); }

void Directory::end_process() { add_counts(1); }

void Directory::end_writing() { add_counts(0); }

void Directory::add_counts(u64 processes) {
    Statistics statistics = counted_so_far() - counted_;
    if (!writable() || statistics.empty()) return;
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory) return;
    statistics.processes = processes;
    add_statistics(directory.get(), statistics);
    if (processes == 0) sum_up_statistics(directory.get());
    begin_process();
}

}  // namespace kiln::store
