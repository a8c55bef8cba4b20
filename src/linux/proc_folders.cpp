#include "linux/proc_folders.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "linux/other_guests.h"
#include "linux/own_descriptors.h"
#include "linux/proc_files.h"

namespace kiln::user {
namespace {

std::optional<u64> leading_number(std::string_view text, int base) {
    u64 value;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), value, base);
    return error == std::errc{} ? std::optional(value) : std::nullopt;
}

bool is_descriptors(std::string_view entry) { return entry == "fd" || entry == "fdinfo"; }

}  // namespace

std::optional<ProcFolder> ProcFolder::of(const Process& process, int fd) {
    struct statfs facts;
    if (::fstatfs(fd, &facts) != 0 || facts.f_type != PROC_SUPER_MAGIC) return std::nullopt;
    const std::string path = shown_path_of(fd);
    const std::string_view entry = own_entry(path);
    ProcFolder folder(process);
    if (is_descriptors(entry)) {
        const auto own = own_descriptors(process);
        folder.hidden_descriptors_.assign(own.begin(), own.end());
    } else if (entry == "map_files") {
        folder.lists_mappings_ = true;
    } else if (constexpr std::string_view proc = "/proc/";
               path.starts_with(proc) && is_descriptors(std::string_view(path).substr(path.rfind('/') + 1))) {
        const auto pid = leading_number(std::string_view(path).substr(proc.size()), 10);
        if (!pid) return std::nullopt;
        folder.hidden_descriptors_ = descriptors_of_other(static_cast<pid_t>(*pid));
    } else {
        return std::nullopt;
    }
    return folder;
}

bool ProcFolder::hides(std::string_view name) const {
    if (lists_mappings_) {
        // The name is a range of the host's addresses: in an arena, none that the guest knows.
        const auto begin = leading_number(name, 16);
        return begin && (process_.memory.base() != 0 || !process_.memory.find(GuestAddr(*begin)));
    }
    const auto fd = leading_number(name, 10);
    return fd && std::ranges::find(hidden_descriptors_, static_cast<int>(*fd)) != hidden_descriptors_.end();
}

std::size_t ProcFolder::without_own(std::span<u8> entries) const {
    std::size_t kept = 0;
    for (std::size_t at = 0; at < entries.size();) {
        u16 bytes;
        std::memcpy(&bytes, &entries[at + offsetof(dirent64, d_reclen)], sizeof bytes);
        if (!hides(reinterpret_cast<const char*>(&entries[at + offsetof(dirent64, d_name)]))) {
            std::memmove(&entries[kept], &entries[at], bytes);
            kept += bytes;
        }
        at += bytes;
    }
    return kept;
}

}  // namespace kiln::user
