// `kiln binfmt`: registers kiln with the kernel's binfmt_misc, so that programs of another processor start by
// themselves, in containers and chroots too (Documentation/admin-guide/binfmt-misc.rst in Linux).
//
// The flags of an entry, and why kiln asks for them:
//   P  the program's own argv[0] is handed over; the kernel says so in AT_FLAGS since Linux 5.12, and kiln
//      asks for it from then on only
//   O  the program is opened by the kernel: it needs not be readable, nor have a path that kiln can reach
//   F  kiln is opened now: it needs not be there where the program runs
//   C  set-uid programs get their rights; only where asked for (--credential=yes)
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/help.h"

namespace kiln::cli {

namespace {

const std::string folder = "/proc/sys/fs/binfmt_misc";

// ---- What is registered ----

/// A processor whose programs kiln runs.
struct Machine {
    std::string_view name;
    u16 elf_machine;
};
constexpr Machine machines[] = {
    {"riscv64", EM_RISCV},
};

/// The head of a program: as far as e_machine, 64 bits wide, little-endian.
using Head = std::array<u8, offsetof(Elf64_Ehdr, e_version)>;

Head magic_of(const Machine& machine) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = machine.elf_machine;
    Head head;
    std::memcpy(head.data(), &header, head.size());
    return head;
}

/// The bits of the head that count: not those of the OS ABI, and ET_EXEC is as good as ET_DYN.
Head mask() {
    Elf64_Ehdr header;
    std::memset(&header, 0xff, sizeof header);
    header.e_ident[EI_OSABI] = 0;
    header.e_type = static_cast<Elf64_Half>(~(ET_EXEC ^ ET_DYN));
    Head head;
    std::memcpy(head.data(), &header, head.size());
    return head;
}
static_assert((ET_EXEC ^ ET_DYN) == 1);

/// Every byte as \xNN, which the kernel, systemd and update-binfmts all read.
std::string escaped(const Head& head) {
    std::string text;
    for (u8 byte : head) fmt::format_to(std::back_inserter(text), "\\x{:02x}", byte);
    return text;
}

/// As the kernel shows an entry's bytes.
std::string plain(const Head& head) {
    std::string text;
    for (u8 byte : head) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    return text;
}

/// Whether the kernel tells a program that flag P is at work.
bool kernel_tells_of_argv0() {
    utsname name;
    int major = 0, minor = 0;
    if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
    return major > 5 || (major == 5 && minor >= 12);
}

// ---- The command line ----

enum class Action : u8 {
    none,
#define ACTION(word, ...) word,
#define SETTING(...)
#include "cli/binfmt.def"
#undef SETTING
#undef ACTION
};

struct Row {
    std::string_view field;  ///< with underscores; the words have dashes
    std::string_view value;
    std::string_view sentence;

    std::string word() const {
        std::string text = "--" + std::string(field);
        std::ranges::replace(text, '_', '-');
        return text;
    }
};
constexpr Row rows[] = {
#define ACTION(word, value, sentence) {#word, value, sentence},
#define SETTING(word, value, sentence) {#word, value, sentence},
#include "cli/binfmt.def"
#undef SETTING
#undef ACTION
};

struct Request {
    Action action = Action::none;
    Machine machine = machines[0];
    bool credential = false;
    std::string name;

    std::string file() const { return folder + "/" + name; }
    std::string flags() const {
        return std::string(kernel_tells_of_argv0() ? "P" : "") + "OF" + (credential ? "C" : "");
    }
    /// What /proc/sys/fs/binfmt_misc/register takes.
    std::string line(const std::string& interpreter) const {
        return fmt::format(":{}:M::{}:{}:{}:{}", name, escaped(magic_of(machine)), escaped(mask()),
                           interpreter, flags());
    }
};

Result<void> set(Request& request, std::string_view field, std::string_view value) {
    if (field == "arch") {
        const auto known = std::ranges::find(machines, value, &Machine::name);
        if (known == std::end(machines)) {
            std::string names;
            for (const Machine& machine : machines) (names += names.empty() ? "" : ", ") += machine.name;
            return fail(fmt::format("--arch={}: expected {}", value, names));
        }
        request.machine = *known;
    } else if (field == "credential") {
        if (value != "yes" && value != "no")
            return fail(fmt::format("--credential={}: expected yes or no", value));
        request.credential = value == "yes";
    } else {
        // The kernel takes any name that is a file's; systemd's and Debian's files separate by colon and space.
        if (value.empty() || value[0] == '.' || value.find_first_of("/: \t\n") != value.npos ||
            value == "register" || value == "status")
            return fail(fmt::format("--name={}: expected a word without / and :", value));
        request.name = value;
    }
    return {};
}

Result<Request> read_words(Words words) {
    Request request;
    for (size_t i = 0; i < words.size(); i++) {
        const std::string_view word = words[i], given = word.substr(0, word.find('='));
        const auto row = std::ranges::find_if(rows, [&](const Row& known) { return known.word() == given; });
        if (row == std::end(rows))
            return fail(fmt::format("binfmt: unknown option {}; kiln help binfmt explains", word));
        const bool has_value = given.size() < word.size();
        if (row->value.empty()) {
            if (has_value) return fail(fmt::format("{}: expected no value", word));
            if (request.action != Action::none)
                return fail(fmt::format("binfmt: {} is one thing too many", word));
            request.action = static_cast<Action>(row - rows + 1);
            continue;
        }
        if (!has_value && ++i == words.size())
            return fail(fmt::format("{} needs a value: {}", word, row->value));
        const std::string_view value = has_value ? word.substr(given.size() + 1) : words[i];
        if (auto done = set(request, row->field, value); !done) return tl::unexpected(done.error());
    }
    if (request.action == Action::none) return fail("binfmt: nothing to do; kiln help binfmt explains");
    if (request.name.empty()) request.name = fmt::format("kiln-{}", request.machine.name);
    return request;
}

// ---- The kernel's side ----

/// What a file says; `error` is 0, or the errno value that says why it cannot be read.
std::string contents(const std::string& file, int& error) {
    std::string text;
    error = 0;
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error = errno, text;
    char buffer[4096];
    ssize_t bytes;
    while ((bytes = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(bytes));
    if (bytes < 0) error = errno;
    close(fd);
    return text;
}

int write_file(const std::string& file, std::string_view text) {
    const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    // One write: the kernel takes each as a line of its own.
    const int error = write(fd, text.data(), text.size()) < 0 ? errno : 0;
    close(fd);
    return error;
}

/// The rest of an entry's line that begins with `key`; empty if there is none.
std::string_view value_of(std::string_view entry, std::string_view key) {
    for (size_t begin = 0; begin < entry.size();) {
        const size_t end = std::min(entry.find('\n', begin), entry.size());
        std::string_view line = entry.substr(begin, end - begin);
        if (line.starts_with(key)) return line.substr(key.size());
        begin = end + 1;
    }
    return {};
}

/// Why there is no binfmt_misc to talk to; empty if there is one.
std::string unavailable() {
    if (access((folder + "/register").c_str(), F_OK) == 0) return {};
    if (access("/proc/sys/fs", F_OK) != 0)
        return "/proc is not mounted here; mount it, or run kiln outside of this chroot";
    if (access(folder.c_str(), F_OK) != 0)
        return "this kernel has no binfmt_misc, or has not loaded it: as root, `modprobe binfmt_misc`, or "
               "`mount -t "
               "binfmt_misc binfmt_misc " +
               folder + "`; without it, programs are started by `kiln run PROGRAM`";
    return "binfmt_misc is not mounted: as root, `mount -t binfmt_misc binfmt_misc " + folder +
           "`; an entry made on the host serves its containers and chroots as well";
}

std::string explain(int error) {
    if (error == EACCES || error == EPERM)
        return "no permission; that takes root (in a container, on the host)";
    if (error == EROFS)
        return "binfmt_misc is mounted read-only here; do it on the host, whose entries serve its containers";
    return std::strerror(error);
}

/// This executable's path, for others to start it by.
Result<std::string> own_path() {
    char path[PATH_MAX];
    const ssize_t bytes = readlink("/proc/self/exe", path, sizeof path);
    if (bytes <= 0 || path[0] != '/')
        return fail("cannot tell where this kiln is: /proc is not mounted here");
    std::string text(path, static_cast<size_t>(bytes));
    if (text.find(':') != text.npos)
        return fail(text + ": binfmt_misc takes no path with a colon in it; copy kiln elsewhere");
    return text;
}

/// Whether somebody other than root could change what set-uid programs run in.
bool others_can_write(const std::string& file) {
    struct stat facts;
    return stat(file.c_str(), &facts) != 0 || facts.st_uid != 0 || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/// Names of other entries that match the head of the machine's programs.
std::vector<std::string> rivals(const Request& request) {
    std::vector<std::string> names;
    DIR* entries = opendir(folder.c_str());
    if (!entries) return names;
    while (const dirent* entry = readdir(entries)) {
        int error;
        const std::string_view name = entry->d_name;
        if (name[0] == '.' || name == "register" || name == "status" || name == request.name) continue;
        const std::string text = contents(folder + "/" + entry->d_name, error);
        if (text.starts_with("enabled") && value_of(text, "magic ") == plain(magic_of(request.machine)))
            names.emplace_back(name);
    }
    closedir(entries);
    return names;
}

// ---- The actions ----

int install(const Personality& who, const Request& request) {
    auto path = own_path();
    if (!path) return complain(who, path.error().message, 1);
    if (request.credential && others_can_write(*path))
        return complain(
            who,
            fmt::format("{}: with --credential=yes, root must own it and nobody else may write it: whoever "
                        "can would gain the rights of every set-uid program",
                        *path),
            1);
    int error;
    const std::string old = contents(request.file(), error);
    if (error == 0) {
        if (value_of(old, "interpreter ") != *path)
            return complain(
                who,
                fmt::format("the name {} is taken, by {}; choose another with --name, or remove it: kiln "
                            "binfmt --uninstall --name={}",
                            request.name, value_of(old, "interpreter "), request.name),
                1);
        if (int failed = write_file(request.file(), "-1"))
            return complain(who, fmt::format("cannot replace {}: {}", request.name, explain(failed)), 1);
    }
    if (int failed = write_file(folder + "/register", request.line(*path)))
        return complain(who, fmt::format("cannot register {}: {}", request.name, explain(failed)), 1);
    for (const std::string& rival : rivals(request))
        complain(who,
                 fmt::format("note: {} answers for {} programs too; the kernel takes who came last: kiln",
                             rival, request.machine.name),
                 0);
    if (contents(folder + "/status", error).starts_with("disabled"))
        complain(
            who,
            fmt::format("note: binfmt_misc is switched off as a whole; `echo 1 > {}/status` switches it on",
                        folder),
            0);
    return 0;
}

int uninstall(const Personality& who, const Request& request) {
    int error;
    contents(request.file(), error);
    if (error == ENOENT) return complain(who, fmt::format("there is no entry {}", request.name), 1);
    error = write_file(request.file(), "-1");
    if (error) return complain(who, fmt::format("cannot remove {}: {}", request.name, explain(error)), 1);
    return 0;
}

int status(const Request& request) {
    int error;
    const std::string entry = contents(request.file(), error);
    const bool all_on = contents(folder + "/status", error).starts_with("enabled");
    std::string text;
    if (entry.empty())
        text = fmt::format("{}: not registered\n", request.name);
    else
        text = fmt::format("{}: {}, {}, flags {}\n", request.name, entry.substr(0, entry.find('\n')),
                           value_of(entry, "interpreter "), value_of(entry, "flags: "));
    if (!all_on) text += "binfmt_misc is switched off as a whole\n";
    for (const std::string& rival : rivals(request))
        text += fmt::format("{} answers for {} programs too\n", rival, request.machine.name);
    if (int failed = print(text)) return failed;
    return all_on && entry.starts_with("enabled") ? 0 : 1;
}

std::string systemd_file(const Request& request, const std::string& path) {
    return fmt::format("# For /etc/binfmt.d/{}.conf; see binfmt.d(5).\n{}\n", request.name,
                       request.line(path));
}

std::string debian_file(const Request& request, const std::string& path) {
    return fmt::format(
        "package kiln\ninterpreter {}\nmagic {}\noffset 0\nmask {}\ncredentials {}\npreserve {}\nfix_binary "
        "yes\n",
        path, escaped(magic_of(request.machine)), escaped(mask()), request.credential ? "yes" : "no",
        kernel_tells_of_argv0() ? "yes" : "no");
}

}  // namespace

std::string binfmt_help() {
    std::string text =
        "usage: kiln binfmt ACTION [settings]\n\n"
        "Registers kiln with the kernel's binfmt_misc: programs of another processor then start by "
        "themselves, in\n"
        "chroots and containers too, where kiln itself needs not be. The actions, one at a time, and the "
        "settings:\n\n";
    for (const Row& row : rows) {
        std::string word = row.word();
        if (!row.value.empty()) fmt::format_to(std::back_inserter(word), "={}", row.value);
        text += in_columns({{2, word}, {26, row.sentence}});
    }
    return text;
}

int binfmt(const Personality& who, Words words) {
    if (!words.empty() && (std::string_view(words[0]) == "--help" || std::string_view(words[0]) == "-h"))
        return print(binfmt_help());
    const auto request = read_words(words);
    if (!request) return complain(who, request.error().message, usage_status(who));
    if (request->action == Action::print_systemd || request->action == Action::print_debian) {
        const auto path = own_path();
        if (!path) return complain(who, path.error().message, 1);
        return print(request->action == Action::print_systemd ? systemd_file(*request, *path)
                                                              : debian_file(*request, *path));
    }
    if (const std::string reason = unavailable(); !reason.empty()) return complain(who, reason, 1);
    switch (request->action) {
        case Action::install: return install(who, *request);
        case Action::uninstall: return uninstall(who, *request);
        default: return status(*request);
    }
}

}  // namespace kiln::cli
