#include "store/archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/bits.h"

namespace kiln::store {
namespace {

// ---- tar ----

constexpr std::size_t block_bytes = 512;
/// No image is larger; no archive can make us ask for more.
constexpr u64 most_bytes = u64{2} << 30;

struct TarHeader {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
        version[2], user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};
static_assert(sizeof(TarHeader) == block_bytes);

template <std::size_t n>
void set_octal(char (&field)[n], u64 value) {
    for (std::size_t i = n - 1; i-- > 0; value /= 8) field[i] = static_cast<char>('0' + value % 8);
}

template <std::size_t n>
std::optional<u64> octal(const char (&field)[n]) {
    const char* const end = std::find_if(field, field + n, [](char c) { return c == 0 || c == ' '; });
    u64 value = 0;
    const auto [rest, error] = std::from_chars(field, end, value, 8);
    if (error != std::errc{} || rest != end) return std::nullopt;
    return value;
}

u64 checksum_of(TarHeader header) {
    std::memset(header.checksum, ' ', sizeof header.checksum);
    u64 sum = 0;
    for (const u8 byte : std::span(reinterpret_cast<const u8*>(&header), sizeof header)) sum += byte;
    return sum;
}

TarHeader header_for(const std::string& name, u64 bytes) {
    TarHeader header{};
    std::memcpy(header.name, name.data(), std::min(name.size(), sizeof header.name - 1));
    set_octal(header.mode, 0600);
    set_octal(header.uid, 0);
    set_octal(header.gid, 0);
    set_octal(header.size, bytes);
    set_octal(header.mtime, 0);
    header.type = '0';
    std::memcpy(header.magic, "ustar", 6);
    std::memcpy(header.version, "00", 2);
    set_octal(header.checksum, checksum_of(header));
    return header;
}

// ---- Zstandard ----

class Compressor {
  public:
    explicit Compressor(int file) : file_(file), context_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    }
    bool write(std::span<const u8> bytes) { return put(bytes, ZSTD_e_continue); }
    bool end() { return put({}, ZSTD_e_end); }

  private:
    bool put(std::span<const u8> bytes, ZSTD_EndDirective directive) {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        for (;;) {
            ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
            const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
            if (ZSTD_isError(left) || !write_all(file_, std::span(buffer_).first(out.pos))) return false;
            if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return true;
        }
    }

    const int file_;
    const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context_;
    std::vector<u8> buffer_ = std::vector<u8>(ZSTD_CStreamOutSize());
};

class Decompressor {
  public:
    explicit Decompressor(int file) : file_(file), context_(ZSTD_createDCtx(), ZSTD_freeDCtx) {}
    /// False when there is less.
    bool read(std::span<u8> to) {
        ZSTD_outBuffer out{to.data(), to.size(), 0};
        while (out.pos < out.size) {
            const std::size_t before = out.pos;
            if (in_.pos == in_.size) {
                const ssize_t got = ::read(file_, buffer_.data(), buffer_.size());
                if (got < 0) return false;
                in_ = {buffer_.data(), static_cast<std::size_t>(got), 0};
            }
            const bool at_end = in_.size == 0;
            if (ZSTD_isError(ZSTD_decompressStream(context_.get(), &out, &in_))) return false;
            if (at_end && out.pos == before) return false;
        }
        return true;
    }

  private:
    const int file_;
    const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context_;
    std::vector<u8> buffer_ = std::vector<u8>(ZSTD_DStreamInSize());
    ZSTD_inBuffer in_{buffer_.data(), 0, 0};
};

std::span<const u8> bytes_of(const TarHeader& header) {
    return {reinterpret_cast<const u8*>(&header), sizeof header};
}

Result<Exchanged> write_archive(const Upkeep& upkeep, int file) {
    Exchanged done;
    Compressor archive(file);
    const std::vector<u8> zeros(2 * block_bytes);
    std::vector<std::string> names;
    for (const ImageFacts& image : upkeep.list()) names.push_back(image.name);
    std::ranges::sort(names);  // the same store gives the same archive
    for (const std::string& name : names) {
        const auto bytes = upkeep.read(name);
        const auto identity = bytes ? ImageFile::name_in(*bytes) : std::nullopt;
        const auto image = identity ? ImageFile::parse(*bytes, identity->key, identity->build) : nullptr;
        if (image == nullptr || !image->is_whole()) {
            ++done.refused;
            continue;
        }
        const u64 rest = align_up(bytes->size(), block_bytes) - bytes->size();
        if (!archive.write(bytes_of(header_for(name, bytes->size()))) || !archive.write(*bytes) ||
            !archive.write(std::span(zeros).first(rest)))
            return fail("the archive cannot be written", errno);
        ++done.images;
        done.bytes += bytes->size();
    }
    if (!archive.write(zeros) || !archive.end()) return fail("the archive cannot be written", errno);
    return done;
}

}  // namespace

Result<Exchanged> export_images(const Upkeep& upkeep, const std::string& path) {
    const std::string fresh = path + std::string(new_suffix);
    const Descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file) return fail(fresh + ": " + std::strerror(errno), errno);
    auto done = write_archive(upkeep, file.get());
    if (done && rename(fresh.c_str(), path.c_str()) != 0)
        done = fail(path + ": " + std::strerror(errno), errno);
    if (!done) unlink(fresh.c_str());
    return done;
}

Result<Exchanged> import_images(const Upkeep& upkeep, const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return fail(path + ": " + std::strerror(errno), errno);
    Decompressor archive(file.get());
    Exchanged done;
    for (;;) {
        TarHeader header;
        if (!archive.read({reinterpret_cast<u8*>(&header), sizeof header}))
            return fail(path + ": the archive ends early, or is no .tar.zst");
        if (header.name[0] == 0) return done;
        const auto bytes = octal(header.size), checksum = octal(header.checksum);
        if (!bytes || !checksum || *checksum != checksum_of(header) || *bytes > most_bytes)
            return fail(path + ": this is no archive of images");
        std::vector<u8> content(align_up(*bytes, block_bytes));
        if (!archive.read(content)) return fail(path + ": the archive ends early");
        content.resize(*bytes);
        if (header.type != '0' || !upkeep.add(content)) {
            ++done.refused;
            continue;
        }
        ++done.images;
        done.bytes += *bytes;
    }
}

}  // namespace kiln::store
