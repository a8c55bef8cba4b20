#include "store/upkeep.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace kiln::store {
namespace {

std::optional<ImageName> name_of_file(int file) {
    u8 head[sizeof(FileHeader)];
    if (pread(file, head, sizeof head, 0) != static_cast<ssize_t>(sizeof head)) return std::nullopt;
    return ImageFile::name_in(head);
}

std::unique_ptr<ImageFile> open_in(int directory, const std::string& name) {
    bool wrong;
    const Descriptor file = open_file(directory, name, Trust::user, wrong);
    const auto identity = file ? name_of_file(file.get()) : std::nullopt;
    return identity ? ImageFile::open(file.get(), identity->key, identity->build) : nullptr;
}

}  // namespace

bool Upkeep::is_there() const { return bool(open_directory(options_.path, Trust::user)); }

std::vector<ImageFacts> Upkeep::list() const {
    std::vector<ImageFacts> list;
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory) return list;
    for (const Entry& entry : list_files(directory.get(), image_suffix)) {
        ImageFacts facts{entry.name, entry.bytes, entry.used};
        if (const auto image = open_in(directory.get(), entry.name)) {
            facts.identity = image->name();
            facts.origin = image->origin();
            facts.units = image->unit_count();
            facts.chapters = image->windows().size();
        }
        list.push_back(std::move(facts));
    }
    std::ranges::sort(list, [](const ImageFacts& a, const ImageFacts& b) {
        return a.bytes != b.bytes ? a.bytes > b.bytes : a.name < b.name;
    });
    return list;
}

std::unique_ptr<ImageFile> Upkeep::open(const std::string& name) const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    return directory ? open_in(directory.get(), name) : nullptr;
}

bool Upkeep::is_of_other_version(const std::string& name) const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory) return false;
    bool wrong;
    const Descriptor file = open_file(directory.get(), name, Trust::user, wrong);
    FileHeader header;
    const std::span<u8> head(reinterpret_cast<u8*>(&header), offsetof(FileHeader, chapters));
    return file && pread(file.get(), head.data(), head.size(), 0) == static_cast<ssize_t>(head.size()) &&
           std::equal(std::begin(file_magic), std::end(file_magic), header.magic) &&
           header.version != file_version;
}

std::optional<std::vector<u8>> Upkeep::read(const std::string& name) const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory) return std::nullopt;
    bool wrong;
    const Descriptor file = open_file(directory.get(), name, Trust::user, wrong);
    struct stat facts;
    if (!file || fstat(file.get(), &facts) != 0) return std::nullopt;
    std::vector<u8> bytes(static_cast<std::size_t>(facts.st_size));
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t got =
            pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (got <= 0) return std::nullopt;
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

bool Upkeep::remove(const std::string& name) const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    return directory && unlinkat(directory.get(), name.c_str(), 0) == 0;
}

Result<void> Upkeep::add(std::span<const u8> bytes) const {
    const auto identity = ImageFile::name_in(bytes);
    const auto image = identity ? ImageFile::parse(bytes, identity->key, identity->build) : nullptr;
    if (image == nullptr || !image->is_whole())
        return fail("no image of this version, or a damaged one", EINVAL);
    if (!make_directory(options_.path)) return fail(options_.path + " cannot be made", errno);
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory)
        return fail(options_.path + " is not a directory of this user's alone (mode 0700)", EACCES);
    const std::string name = name_of(identity->key, identity->build) + std::string(image_suffix);
    if (!replace_file(directory.get(), name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}))
        return fail(name + " cannot be written", errno);
    return {};
}

u64 Upkeep::remove_if(const std::function<bool(const Entry&)>& condition) const {
    u64 removed = 0;
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory) return removed;
    for (const Entry& entry : list_files(directory.get(), image_suffix))
        if (condition(entry)) removed += unlinkat(directory.get(), entry.name.c_str(), 0) == 0;
    return removed;
}

u64 Upkeep::clear() const {
    return remove_if([](const Entry&) { return true; });
}

u64 Upkeep::evict_unused(time_t seconds) const {
    return remove_if([&](const Entry& entry) { return time(nullptr) - entry.used > seconds; });
}

u64 Upkeep::clean() const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (!directory) return 0;
    for (const Entry& entry : list_files(directory.get(), new_suffix)) {
        const Descriptor file(openat(directory.get(), entry.name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
        // A writer at work holds the lock.
        if (file && flock(file.get(), LOCK_EX | LOCK_NB) == 0)
            unlinkat(directory.get(), entry.name.c_str(), 0);
    }
    return evict(directory.get(), limit_of(directory.get(), options_.most_bytes));
}

u64 Upkeep::limit() const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    return directory ? limit_of(directory.get(), options_.most_bytes) : options_.most_bytes;
}

bool Upkeep::set_limit(u64 bytes) const {
    if (!make_directory(options_.path)) return false;
    const Descriptor directory = open_directory(options_.path, Trust::user);
    return directory && store::set_limit(directory.get(), bytes);
}

Statistics Upkeep::statistics() const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    return directory ? read_statistics(directory.get()) : Statistics{};
}

void Upkeep::zero_statistics() const {
    const Descriptor directory = open_directory(options_.path, Trust::user);
    if (directory) store::zero_statistics(directory.get());
}

}  // namespace kiln::store
