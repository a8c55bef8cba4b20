// Folders of /proc that list what kiln has beside what the guest has: the descriptors (fd, fdinfo) of this process and of
// other guests, and this process's mappings of files (map_files).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "linux/process.h"

namespace kiln::user {

class ProcFolder {
  public:
    /// The folder that the descriptor `fd` is open for; none: another one, of which nothing is hidden.
    static std::optional<ProcFolder> of(const Process& process, int fd);

    /// Removes what is kiln's from directory entries as getdents64(2) gives them; the bytes left.
    std::size_t without_own(std::span<u8> entries) const;

  private:
    explicit ProcFolder(const Process& process) : process_(process) {}
    bool hides(std::string_view name) const;

    const Process& process_;
    std::vector<int> hidden_descriptors_;
    bool lists_mappings_ = false;
};

}  // namespace kiln::user
