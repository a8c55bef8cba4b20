// The store on disk: a directory of the user's with a file for each image. docs/store.md says what it promises.
//
//   <directory>/CACHEDIR.TAG       for backup programs
//   <directory>/<name>.units       an image; the name is a hash of key and build
//   <directory>/<name>.new         the same while it is written, locked (flock(2)) by its writer
//   <directory>/limit              how much all images may take, if somebody has said so
//   <directory>/statistics         what processes have done with it (store/statistics.h)
//
// Further directories may be layers: what the first does not have is looked for there, and nothing is written.
//
// Trust: the directory must be this user's alone (mode 0700), and an image a plain file of this user's that nobody else
// may write; no link is followed to either. A layer may be root's, and readable by others. Whatever is wrong makes a miss,
// never an error.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/build_id.h"
#include "store/files.h"
#include "store/image_file.h"
#include "store/statistics.h"

namespace kiln::store {

struct DirectoryOptions {
    std::string path;
    /// Directories to look into besides, in this order.
    std::vector<std::string> layers = {};
    /// Nothing is made unless this is there; empty: whatever is missing of the path is made.
    std::string home;
    bool writable = true;
    /// When the images together take more, in bytes, those that were not used for longest go; unless the directory says
    /// another limit.
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

    void begin_process() override;
    void end_process() override;
    void end_writing() override;

  private:
    std::unique_ptr<abi::UnitImage> open_in(const std::string& path, Trust trust, const std::string& name,
                                            const abi::ImageKey& key) const;
    /// Adds what has been counted since begin_process() to the directory's statistics.
    void add_counts(u64 processes);

    const DirectoryOptions options_;
    const BuildId build_;
    Statistics counted_;
};

/// The name of an image's file, without its suffix.
std::string name_of(const abi::ImageKey& key, const BuildId& build);
BuildId hash_of(const std::string& build);

}  // namespace kiln::store
