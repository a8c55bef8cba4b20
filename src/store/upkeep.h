// A store as its owner sees it, for `kiln cache`: what is in it, and doing away with it. Programs may be running that use it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "store/directory.h"

namespace kiln::store {

struct ImageFacts {
    std::string name;  ///< of the file
    u64 bytes = 0;
    time_t used = 0;  ///< last, to a day
    /// What it says of itself; none of a file that is no image, or of another version.
    std::optional<ImageName> identity;
    abi::ImageOrigin origin;
    u64 units = 0, chapters = 0;
};

class Upkeep {
  public:
    explicit Upkeep(DirectoryOptions options) : options_(std::move(options)) {}

    const std::string& path() const { return options_.path; }
    BuildId build() const { return hash_of(options_.build); }
    /// False when there is none, or it is not to be trusted.
    bool is_there() const;

    /// By descending size.
    std::vector<ImageFacts> list() const;
    /// The image of that file name; null when it is none.
    std::unique_ptr<ImageFile> open(const std::string& name) const;
    /// Whether it is an image of another version of the format.
    bool is_of_other_version(const std::string& name) const;
    /// Its bytes, which need not be those of an image.
    std::optional<std::vector<u8>> read(const std::string& name) const;
    bool remove(const std::string& name) const;
    /// Puts an image there, under the name that it has by itself. An error when it is none, or cannot be written.
    Result<void> add(std::span<const u8> bytes) const;

    // How many images went:
    u64 clear() const;
    /// Those that were not used for so many seconds.
    u64 evict_unused(time_t seconds) const;
    /// Those that are too many; what writers have left behind goes too.
    u64 clean() const;

    u64 limit() const;
    /// False when it cannot be kept.
    bool set_limit(u64 bytes) const;

    Statistics statistics() const;
    void zero_statistics() const;

  private:
    u64 remove_if(const std::function<bool(const Entry&)>& condition) const;

    const DirectoryOptions options_;
};

}  // namespace kiln::store
