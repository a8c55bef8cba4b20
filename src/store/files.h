// The store's directory as files: opened without following links, and only if nobody else may write there.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace kiln::store {

inline constexpr std::string_view image_suffix = ".units";
inline constexpr std::string_view new_suffix = ".new";

/// An open file, closed at the end.
class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_;
};

/// Whose files are believed.
enum class Trust : u8 {
    user,           ///< this user's: of a directory that nobody else may even look into
    user_and_root,  ///< root's as well, which others may read: of a read-only layer
};

/// None if it is not there, or not to be trusted.
Descriptor open_directory(const std::string& path, Trust trust);
/// A file there, to be read, if it is a plain one that only those may write who are trusted. `wrong`: it is there, and is not.
Descriptor open_file(int directory, const std::string& name, Trust trust, bool& wrong);

/// Makes the directory and those above it that are missing, for this user alone.
bool make_directory(const std::string& path);

bool write_all(int fd, std::span<const u8> bytes);
/// Puts a small file in the place of the one of that name, or changes nothing.
bool replace_file(int directory, const std::string& name, std::string_view content);
/// The content of a small file of this user's; empty if there is none.
std::string read_file(int directory, const std::string& name);

struct Entry {
    std::string name;
    u64 bytes;
    time_t used;
};
/// The plain files in the directory whose names end so.
std::vector<Entry> list_files(int directory, std::string_view suffix);

/// Removes the images that were not used for longest until the rest takes at most `most_bytes`; how many.
u64 evict(int directory, u64 most_bytes);

/// The most that the directory's images may take, as somebody has decided; `otherwise` if nobody has.
u64 limit_of(int directory, u64 otherwise);
bool set_limit(int directory, u64 bytes);

}  // namespace kiln::store
