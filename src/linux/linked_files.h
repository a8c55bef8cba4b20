// Which files a program consists of, itself, its dynamic linker and the libraries that these name, and where each is mapped
// when it runs; found out without running it.
#pragma once

#include <string>
#include <vector>

#include "linux/elf_file.h"
#include "linux/sysroot.h"
#include "mem/address_space.h"

namespace kiln::user {

struct LinkedFile {
    std::string path;  ///< the host's, without links
    u64 bias = 0;      ///< what is added to the file's addresses
    auto operator<=>(const LinkedFile&) const = default;
};

struct LinkedFiles {
    std::vector<LinkedFile> files;     ///< the first is the program, or the library itself
    std::vector<std::string> missing;  ///< libraries that are nowhere
};

/// Finds libraries as the guest's dynamic linker does: in DT_RUNPATH, in the directories of /etc/ld.so.conf, and in those
/// that C libraries know; not by LD_LIBRARY_PATH.
class Linker {
  public:
    /// The references must outlive it; `memory` is used for trying where files go, and has nothing of the guest's in between.
    Linker(mem::AddressSpace& memory, const Sysroot& sysroot, const ElfTarget& target, u64 stack_bytes);

    /// Of the file at that guest path. The error names the file and says what is wrong with it.
    Result<LinkedFiles> link(const std::string& path);

  private:
    struct Wanted {
        std::string name;
        std::vector<std::string> run_paths;  ///< without $ORIGIN
    };
    Result<LinkedFile> map_library(const std::string& host_path);
    std::string find(const Wanted& library) const;
    void read_configuration(const std::string& path, int depth);
    /// Adds what the file names and what is not there yet.
    void want(const std::string& host_path, std::vector<Wanted>& wanted) const;

    mem::AddressSpace& memory_;
    const Sysroot& sysroot_;
    const ElfTarget target_;
    const u64 stack_bytes_;
    std::vector<std::string> directories_;
};

}  // namespace kiln::user
