// Reading and writing the file of an image (store/format.h).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "abi/unit_store.h"
#include "store/format.h"

namespace kiln::store {

/// Which build of Kiln made the units of a file.
struct BuildId {
    u64 word[2] = {};
    bool operator==(const BuildId&) const = default;
};

/// What a file says that it is, whoever made it.
struct ImageName {
    abi::ImageKey key;
    BuildId build;
};

/// A file that is mapped. It may be changed or cut off while it is read: what does not fit is not there.
class ImageFile final : public abi::UnitImage {
  public:
    /// Maps `file`, which stays the caller's; null when it is no whole image of this key and build.
    static std::unique_ptr<ImageFile> open(int file, const abi::ImageKey& key, const BuildId& build);
    /// The same for bytes in memory, which must outlive it.
    static std::unique_ptr<ImageFile> parse(std::span<const u8> bytes, const abi::ImageKey& key,
                                            const BuildId& build);
    /// What the header of such bytes says; none when there is no whole header of this version.
    static std::optional<ImageName> name_in(std::span<const u8> bytes);
    ~ImageFile() override;

    const ImageName& name() const { return name_; }
    const abi::ImageOrigin& origin() const { return origin_; }
    /// Whether all of it is whole.
    bool is_whole() const;

    std::span<const GuestAddr> windows() const override { return windows_; }
    std::size_t unit_count() const override { return units_; }
    bool read(GuestAddr window, abi::Chapter& out) const override;
    bool read_code(GuestAddr window, std::span<u8> to) const override;
    bool read_all(GuestAddr window, abi::Chapter& out) const override;
    u32 spare_count() const override { return spares_; }
    std::optional<u32> find_spare(GuestAddr pc) const override;
    bool read_spare(u32 number, abi::Chapter& out) const override;
    bool read_spare_code(u32 number, std::span<u8> to) const override;
    bool read_all_of_spare(u32 number, abi::Chapter& out) const override;

  private:
    ImageFile(std::span<const u8> bytes, bool mapped) : bytes_(bytes), mapped_(mapped) {}
    const FileChapter* find(GuestAddr window) const;
    /// Copies an array of the chapter that begins so far behind its offset, and goes on behind it; the checksum is the
    /// copy's, whatever becomes of the file. False when it is not there.
    bool copy_array(const FileChapter& chapter, u64& begin, std::span<u8> to, u64& checksum) const;
    /// The chapter's pages in the file are not wanted any more.
    void let_go(const FileChapter& chapter) const;
    bool read_header(const abi::ImageKey& key, const BuildId& build);
    /// The index, which begins there.
    bool read_index(const FileHeader& header, u64 begin);
    bool spare_at(u32 number, FileChapter& out) const;
    bool read_tables(const FileChapter& chapter, abi::Chapter& out) const;
    bool read_code(const FileChapter& chapter, std::span<u8> to) const;
    /// Adds what read_tables() and read_code() leave out.
    bool read_linkage(const FileChapter& chapter, abi::Chapter& out) const;

    const std::span<const u8> bytes_;
    const bool mapped_;
    std::size_t units_ = 0;
    std::vector<FileChapter> chapters_;
    std::vector<GuestAddr> windows_;
    ImageName name_;
    abi::ImageOrigin origin_;
    std::vector<u32> index_;
    u64 index_begin_ = 0, spare_units_begin_ = 0, spares_begin_ = 0;
    u32 spare_units_ = 0, spares_ = 0;
    // Of the spare chapter that was read last: first its tables are wanted, then its code.
    mutable FileChapter latest_{};
    mutable u32 latest_spare_ = ~u32{0};
};

/// Chapters as they lie in a file, put together one by one.
class FileChapters {
  public:
    void add(const abi::Chapter& chapter);

  private:
    friend std::vector<u8> image_bytes(const abi::ImageKey&, const BuildId&, const abi::ImageOrigin&,
                                       std::span<const abi::Chapter>, const FileChapters&);
    struct Unit {
        u64 pc;
        u32 number;
    };
    std::vector<FileChapter> table_;  // with offsets in data_
    std::vector<Unit> units_;
    std::vector<u8> data_;
};

/// The bytes of the file that has these chapters, which ascend, and these spare ones.
std::vector<u8> image_bytes(const abi::ImageKey& key, const BuildId& build, const abi::ImageOrigin& origin,
                            std::span<const abi::Chapter> chapters, const FileChapters& spares = {});

}  // namespace kiln::store
