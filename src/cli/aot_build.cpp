#include "cli/aot_build.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/bits.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/guest_code.h"
#include "cli/workers.h"
#include "linux/arch.h"
#include "linux/elf_code.h"
#include "linux/loader.h"
#include "run/code_finder.h"
#include "run/wiring.h"
#include "store/directory.h"

namespace kiln::cli {
namespace {

/// Whether the file is one for this guest, and no object file: all that matters of those that are merely in a directory.
bool is_candidate(const std::string& path) {
    const store::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    Elf64_Ehdr header;
    return file && pread(file.get(), &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
           std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
           header.e_machine == user::riscv64_arch().elf_target().machine &&
           (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

/// The candidates in the directory and those below it, ascending; links are not followed, what cannot be read is left out.
std::vector<std::string> files_below(const std::string& directory) {
    namespace fs = std::filesystem;
    std::vector<std::string> found;
    std::error_code error;
    fs::recursive_directory_iterator entry(directory, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error))
        if (is_candidate(entry->path())) found.push_back(entry->path());
    std::ranges::sort(found);
    return found;
}

/// Goes to the terminal's one line, or as lines of their own where there is none.
class Progress {
  public:
    explicit Progress(std::size_t count) : count_(count) { show({}); }
    ~Progress() {
        if (terminal_) write_all(STDERR_FILENO, "\r\033[K");
    }
    void step(const std::string& path, u64 units) {
        ++done_;
        if (terminal_)
            show(path.substr(path.rfind('/') + 1));
        else
            write_all(STDERR_FILENO, fmt::format("{}/{} {}: {} units\n", done_, count_, path, units));
    }

  private:
    void show(std::string_view name) const {
        constexpr std::size_t width = 30;
        if (!terminal_ || count_ == 0) return;
        const std::size_t filled = done_ * width / count_;
        write_all(STDERR_FILENO, fmt::format("\r\033[K[{:#<{}}{:.<{}}] {}/{} {:.40}", "", filled, "",
                                             width - filled, done_, count_, name));
    }

    const std::size_t count_;
    const bool terminal_ = isatty(STDERR_FILENO) == 1;
    std::size_t done_ = 0;
};

/// The file's code where it is mapped: as far as it is in one of the segments.
run::KnownCode known_code(const user::ElfCode& code, const std::vector<abi::ImageOrigin>& segments,
                          u64 bias) {
    run::KnownCode known;
    for (const user::ElfCode::Part& part : code.code) {
        const bool mapped = std::ranges::any_of(segments, [&](const abi::ImageOrigin& segment) {
            return part.begin + bias >= segment.begin && part.end + bias <= segment.end;
        });
        if (mapped && part.begin < part.end)
            known.code.push_back({GuestAddr(part.begin + bias), static_cast<u32>(part.end - part.begin)});
    }
    for (u64 start : code.starts) known.starts.push_back(GuestAddr(start + bias));
    known.read = [&code, bias](GuestAddr from, std::span<u8> to) {
        return code.read_constant(from.raw - bias, to);
    };
    return known;
}

Result<run::BuiltAhead> build_file(const user::LinkedFile& linked, const Options& options) {
    const store::Descriptor file(::open(linked.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return fail(std::string("cannot be opened: ") + std::strerror(errno));
    auto space = mem::AddressSpace::create({});
    if (!space) return tl::unexpected(space.error());
    const auto elf =
        user::parse_elf(file.get(), linked.path, user::riscv64_arch().elf_target(), (*space)->limit());
    if (!elf) return tl::unexpected(elf.error());
    std::vector<abi::ImageOrigin> segments;
    for (const user::ElfSegment& segment : elf->segments) {
        if (!(segment.prot & PROT_EXEC) || (segment.prot & PROT_WRITE) || segment.file_bytes == 0) continue;
        const u64 begin = align_down(segment.address, mem::page_bytes);
        const u64 end = align_up(segment.address + segment.file_bytes, mem::page_bytes);
        segments.push_back({linked.path, begin + linked.bias, end + linked.bias,
                            align_down(segment.offset, mem::page_bytes)});
        if (!map_guest_code(**space, segments.back())) return fail("it cannot be mapped where it would run");
    }
    const user::ElfCode code = user::read_elf_code(file.get(), *elf);
    const run::KnownCode known = known_code(code, segments, linked.bias);
    if (known.code.empty()) return run::BuiltAhead{};
    auto place = store::place_of(options.store_dir);
    place->layers = options.store_layers;
    store::Directory directory(*place);
    run::EngineOptions engine_options = cli::engine_options(options);
    engine_options.store = &directory;
    const auto engine = run::make_engine(run::frontend_of(run::GuestIsa::riscv64), **space, engine_options);
    const auto state = new_guest_state();
    const auto thread = engine->attach(*state);
    return engine->build_ahead(*thread, known);
}

}  // namespace

AotFiles find_aot_files(const std::vector<std::string>& operands, const Options& options) {
    AotFiles found;
    const user::Sysroot sysroot(user::choose_sysroot(options.sysroot, std::getenv("QEMU_LD_PREFIX"),
                                                     user::riscv64_arch().elf_target().name));
    auto space = mem::AddressSpace::create({});
    if (!space) {
        found.skipped.push_back(space.error().message);
        found.complete = false;
        return found;
    }
    rlimit stack{RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(RLIMIT_STACK, &stack);
    const u64 stack_bytes = options.stack_size.value_or(user::stack_bytes_for(stack.rlim_cur));
    user::Linker linker(**space, sysroot, user::riscv64_arch().elf_target(), stack_bytes);
    std::set<user::LinkedFile> files;
    std::set<std::string> missing;
    const auto add = [&](const std::string& path) {
        const auto linked = linker.link(path);
        if (!linked) {
            found.skipped.push_back(linked.error().message);
            return false;
        }
        ++found.programs;
        files.insert(linked->files.begin(), linked->files.end());
        for (const std::string& name : linked->missing)
            if (missing.insert(name).second)
                found.skipped.push_back(fmt::format("{}: its library {} is not there", path, name));
        return true;
    };
    for (const std::string& operand : operands) {
        struct stat facts;
        const std::string host_path = sysroot.translate(operand);
        if (stat(host_path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) {
            bool any = false;
            for (const std::string& path : files_below(host_path)) any |= add(path);
            if (any) continue;
            found.skipped.push_back(operand + ": there is no program or library in this directory");
            found.complete = false;
        } else {
            found.complete &= add(operand);
        }
    }
    found.files.assign(files.begin(), files.end());
    return found;
}

AotResult build_aot_files(AotFiles& files, const Options& options, unsigned parallel) {
    AotResult result{.files = files.files.size()};
    enum Verdict : int { built, failed };
    const auto job = [&](std::size_t number) {
        const auto done = build_file(files.files[number], options);
        if (!done) return JobReport{failed, done.error().message};
        return JobReport{built, {}, {done->found, done->there, done->refused, done->host_bytes}};
    };
    Progress progress(files.files.size());
    const auto done = [&](std::size_t number, const JobReport& report) {
        const std::string& path = files.files[number].path;
        progress.step(path, report.figures[0]);
        result.found += report.figures[0];
        result.there += report.figures[1];
        result.refused += report.figures[2];
        result.host_bytes += report.figures[3];
        if (report.verdict == built) return;
        ++result.failed;
        const std::string_view why =
            report.verdict == job_crashed ? std::string_view("translating it crashes") : report.text;
        const bool named = why.starts_with(path);
        files.skipped.push_back(named ? std::string(why) : fmt::format("{}: {}", path, why));
    };
    if (!run_jobs(files.files.size(), parallel, job, done)) {
        ++result.failed;
        files.skipped.emplace_back("there is no memory for another process");
    }
    return result;
}

}  // namespace kiln::cli
