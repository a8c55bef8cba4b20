// The store on disk: a directory of the user's with a file for each image. docs/store.md says what it promises.
//
//   <directory>/CACHEDIR.TAG       for backup programs
//   <directory>/<name>.units       an image; the name is a hash of key and build
//   <directory>/<name>.new         the same while it is written, locked (flock(2)) by its writer
//
// Trust: the directory must be this user's alone (mode 0700), and an image a plain file of this user's that nobody else
// may write; no link is followed to either. Whatever is wrong makes a miss, never an error.
#pragma once

#include <optional>
#include <string>

#include "base/build_id.h"
#include "store/image_file.h"

namespace kiln::store {

struct DirectoryOptions {
    std::string path;
    /// Nothing is made unless this is there; empty: whatever is missing of the path is made.
    std::string home;
    bool writable = true;
    /// When the images together take more, in bytes, those that were not used for longest go.
    u64 most_bytes = u64{2} << 30;
    /// Which build of Kiln uses it; empty: one whose units cannot be told from those of others, so that it has none.
    std::string build = build_id();
};

/// Where the store is: `chosen`, or if that is empty $XDG_CACHE_HOME/kiln/units, else $HOME/.cache/kiln/units, if these are
/// there; none without them.
std::optional<DirectoryOptions> place_of(const std::string& chosen);

/// Any thread may open; one at a time writes an image, whatever process it is in.
class Directory final : public abi::UnitStore {
  public:
    explicit Directory(DirectoryOptions options);

    std::unique_ptr<abi::UnitImage> open(const abi::ImageKey& key) override;
    std::unique_ptr<abi::ImageWriter> begin_write(const abi::ImageKey& key) override;
    bool writable() const override { return options_.writable && !options_.build.empty(); }

    struct Usage {
        u64 images = 0;
        u64 bytes = 0;
    };
    Usage usage() const;
    /// Removes all images; how many there were.
    u64 clear();

  private:
    const DirectoryOptions options_;
    const BuildId build_;
};

}  // namespace kiln::store
