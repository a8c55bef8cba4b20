#include "linux/loader_stack.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bits.h"
#include "base/hash.h"

namespace kiln::user {
namespace {

using mem::page_bytes;

constexpr u64 default_bytes = u64{8} << 20;
constexpr u64 least_bytes = u64{128} << 10;
constexpr u64 most_bytes = u64{1} << 30;
// Nothing is placed this close below the stack, as in Linux: an overflow must hit a hole.
constexpr u64 guard_bytes = 256 * page_bytes;
// The kernel's bounds on arguments and environment (execve(2)).
constexpr u64 max_string_bytes = 32 * page_bytes;
constexpr u64 least_args_bound = 32 * page_bytes;
constexpr u64 most_args_bound = u64{6} << 20;

// A run of bytes that ends at a known guest address and grows downwards.
class Image {
  public:
    explicit Image(GuestAddr end) : end_(end) {}
    GuestAddr at() const { return end_ - reversed_.size(); }
    GuestAddr push(const void* bytes, size_t count) {
        const u8* first = static_cast<const u8*>(bytes);
        reversed_.insert(reversed_.end(), std::make_reverse_iterator(first + count),
                         std::make_reverse_iterator(first));
        return at();
    }
    GuestAddr push(std::string_view text) {
        reversed_.push_back(0);
        return push(text.data(), text.size());
    }
    void pad(u64 bytes) { reversed_.resize(reversed_.size() + bytes); }
    std::vector<u8> bytes() const { return {reversed_.rbegin(), reversed_.rend()}; }

  private:
    GuestAddr end_;
    std::vector<u8> reversed_;
};

// Pushes the strings so that the first is lowest; gives their addresses.
std::vector<u64> push_strings(Image& image, std::span<const std::string> strings) {
    std::vector<u64> addresses(strings.size());
    for (size_t i = strings.size(); i-- > 0;) addresses[i] = image.push(strings[i].c_str()).raw;
    return addresses;
}

bool too_long(const LoadRequest& request, u64 stack_bytes) {
    const u64 bound = std::clamp(stack_bytes / 4, least_args_bound, most_args_bound);
    u64 sum = request.exec_name.size() + 1;
    for (auto strings : {request.args, request.environment}) {
        for (const std::string& text : strings) {
            if (text.size() >= max_string_bytes) return true;
            sum += text.size() + 1 + sizeof(u64);
        }
    }
    return sum > bound;
}

// 16 bytes that are a function of the seed.
void expand_seed(u8* bytes, u64 seed) {
    const std::span seed_bytes(reinterpret_cast<const u8*>(&seed), sizeof seed);
    for (u64 half = 0; half < 2; half++) {
        const u64 hash = hash_bytes(seed_bytes, half);
        std::memcpy(bytes + half * sizeof hash, &hash, sizeof hash);
    }
}

std::vector<Elf64_auxv_t> make_auxv(const LoadRequest& request, const ElfFile& elf,
                                    const LoadedProgram& program, GuestAddr random, GuestAddr path,
                                    GuestAddr platform) {
    std::vector<Elf64_auxv_t> rows;
    auto add = [&](u64 type, u64 value) { rows.push_back({type, {value}}); };
    add(AT_HWCAP, request.target.hwcap);
    add(AT_PAGESZ, page_bytes);
    add(AT_CLKTCK, static_cast<u64>(sysconf(_SC_CLK_TCK)));
    add(AT_PHDR, elf.headers_address ? elf.headers_address + program.load_bias : 0);
    add(AT_PHENT, sizeof(Elf64_Phdr));
    add(AT_PHNUM, elf.headers);
    add(AT_BASE, program.interpreter_base.raw);
    add(AT_FLAGS, 0);
    add(AT_ENTRY, program.program_entry.raw);
    add(AT_UID, getuid());
    add(AT_EUID, geteuid());
    add(AT_GID, getgid());
    add(AT_EGID, getegid());
    add(AT_SECURE, getauxval(AT_SECURE));
    add(AT_RANDOM, random.raw);
    if (request.target.hwcap2) add(AT_HWCAP2, request.target.hwcap2);
    add(AT_EXECFN, path.raw);
    if (!request.target.platform.empty()) add(AT_PLATFORM, platform.raw);
    add(AT_NULL, 0);
    return rows;
}

}  // namespace

u64 stack_bytes_for(rlim_t soft_limit) {
    if (soft_limit == RLIM_INFINITY) return default_bytes;
    return std::clamp<u64>(soft_limit, least_bytes, most_bytes);
}

Result<void> make_stack(mem::AddressSpace& memory, const LoadRequest& request, const ElfFile& elf,
                        LoadedProgram& program) {
    const u64 stack_bytes = align_up(std::clamp(request.stack_bytes, least_bytes, most_bytes), page_bytes);
    if (too_long(request, stack_bytes))
        return fail(request.path + ": the arguments and the environment are too long for a stack of " +
                        std::to_string(stack_bytes >> 10) + " KiB",
                    E2BIG);

    program.stack_end = GuestAddr(memory.limit() - page_bytes);
    program.stack_begin = program.stack_end - stack_bytes;
    const int prot = PROT_READ | PROT_WRITE | (elf.executable_stack ? PROT_EXEC : 0);
    const i64 mapped =
        memory.map(program.stack_begin, stack_bytes, prot,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapped < 0)
        return fail(
            request.path + ": no memory for the guest's stack: " + std::strerror(static_cast<int>(-mapped)),
            static_cast<int>(-mapped));
    memory.set_name(program.stack_begin, stack_bytes, "[stack]");
    memory.keep_clear_above(program.stack_begin - guard_bytes);

    u8 random_bytes[16];
    if (request.seed)
        expand_seed(random_bytes, *request.seed);
    else if (getrandom(random_bytes, sizeof random_bytes, 0) != sizeof random_bytes)
        return fail(request.path + ": the host gives no random bytes: " + std::strerror(errno), errno);

    const std::string no_name[1];
    const std::span<const std::string> args = request.args.empty() ? no_name : request.args;
    Image image(program.stack_end);
    image.pad(8);
    const GuestAddr path = image.push(request.exec_name);
    program.environment_end = image.at();
    const std::vector<u64> environment = push_strings(image, request.environment);
    program.args_end = image.at();
    const std::vector<u64> arg_addresses = push_strings(image, args);
    program.args_begin = image.at();
    const GuestAddr platform = image.push(request.target.platform);
    const GuestAddr random = image.push(random_bytes, sizeof random_bytes);

    const std::vector<Elf64_auxv_t> auxv = make_auxv(request, elf, program, random, path, platform);
    program.auxv.resize(auxv.size() * sizeof auxv[0]);
    std::memcpy(program.auxv.data(), auxv.data(), program.auxv.size());

    std::vector<u64> words;  // argc, argv, null, envp, null; the auxiliary vector follows
    words.push_back(arg_addresses.size());
    words.insert(words.end(), arg_addresses.begin(), arg_addresses.end());
    words.push_back(0);
    words.insert(words.end(), environment.begin(), environment.end());
    words.push_back(0);
    const u64 words_bytes = words.size() * sizeof words[0];
    // Both guests want the stack pointer aligned to 16 bytes at the entry.
    image.pad((image.at().raw - program.auxv.size() - words_bytes) % 16);
    image.push(program.auxv.data(), program.auxv.size());
    program.sp = image.push(words.data(), words_bytes);

    const std::vector<u8> bytes = image.bytes();
    if (!memory.write(program.sp, bytes.data(), bytes.size()))
        return fail(request.path + ": the guest's stack cannot be written", EFAULT);
    return {};
}

}  // namespace kiln::user
