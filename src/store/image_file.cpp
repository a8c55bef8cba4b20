#include "store/image_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "abi/guest_access.h"
#include "base/bits.h"
#include "base/counters.h"
#include "base/hash.h"

namespace kiln::store {
namespace {

// An entry is replaced by one store of this size.
constexpr u32 entry_bytes = 8;

/// Copies from a file that may have become shorter: that must not end the process.
bool copy(void* to, std::span<const u8> from) {
    return abi::guest_copy(static_cast<u8*>(to), from.data(), from.size()) == 0;
}

template <class T>
std::span<const u8> bytes_of(const T& value) {
    return {reinterpret_cast<const u8*>(&value), sizeof value};
}

u64 checksum_of(FileHeader header, std::span<const FileChapter> chapters, std::string_view path,
                std::span<const u32> index) {
    header.checksum = 0;
    const u64 of_tables = hash_bytes({reinterpret_cast<const u8*>(chapters.data()), chapters.size_bytes()},
                                     hash_bytes(bytes_of(header)));
    const u64 of_path = hash_bytes({reinterpret_cast<const u8*>(path.data()), path.size()}, of_tables);
    return hash_bytes({reinterpret_cast<const u8*>(index.data()), index.size_bytes()}, of_path);
}

/// Whether the header is one of this version; nothing else is known of it.
bool is_known(const FileHeader& header) {
    return std::memcmp(header.magic, file_magic, sizeof file_magic) == 0 && header.version == file_version;
}

// What is read by copying looks alike in the file and in memory.
template <class File, class Memory>
constexpr bool alike = sizeof(File) == sizeof(Memory) && alignof(File) == alignof(Memory);
static_assert(alike<FileUnit, abi::StoredUnit> &&
              offsetof(FileUnit, entry) == offsetof(abi::StoredUnit, entry) &&
              offsetof(FileUnit, forward) == offsetof(abi::StoredUnit, forward) &&
              offsetof(FileUnit, counter_site) == offsetof(abi::StoredUnit, counter_site) &&
              offsetof(FileUnit, instructions) == offsetof(abi::StoredUnit, instructions) &&
              offsetof(FileUnit, first_range) == offsetof(abi::StoredUnit, first_range) &&
              offsetof(FileUnit, range_count) == offsetof(abi::StoredUnit, range_count));
static_assert(alike<FileRange, abi::CodeRange> &&
              offsetof(FileRange, bytes) == offsetof(abi::CodeRange, bytes));
static_assert(alike<FileFaultPoint, abi::FaultPoint> &&
              offsetof(FileFaultPoint, retired) == offsetof(abi::FaultPoint, retired) &&
              offsetof(FileFaultPoint, pc) == offsetof(abi::FaultPoint, pc) &&
              offsetof(FileFaultPoint, base) == offsetof(abi::FaultPoint, base) &&
              offsetof(FileFaultPoint, index) == offsetof(abi::FaultPoint, index) &&
              offsetof(FileFaultPoint, scale) == offsetof(abi::FaultPoint, scale) &&
              offsetof(FileFaultPoint, disp) == offsetof(abi::FaultPoint, disp));

template <class T>
std::span<u8> raw(std::vector<T>& list) {
    return {reinterpret_cast<u8*>(list.data()), list.size() * sizeof(T)};
}

/// Whether all that a chapter says of itself can be: nothing leads out of it.
bool is_consistent(const abi::Chapter& chapter) {
    const u64 end = chapter.code_bytes;
    if (chapter.units.empty() || chapter.units[0].entry < abi::stub_jumps * abi::stub_jump_bytes)
        return false;
    for (std::size_t i = 0; i < chapter.units.size(); ++i) {
        const abi::StoredUnit& unit = chapter.units[i];
        const u64 unit_end = i + 1 < chapter.units.size() ? chapter.units[i + 1].entry : end;
        if (unit.entry % entry_bytes != 0) return false;
        if (i > 0 && unit.pc <= chapter.units[i - 1].pc) return false;
        if (u64{unit.entry} + entry_bytes > unit.forward || unit.forward >= unit_end) return false;
        if (unit.counter_site != 0 &&
            (unit.counter_site < unit.entry + entry_bytes || u64{unit.counter_site} + 4 > unit.forward))
            return false;
        if (u64{unit.first_range} + unit.range_count > chapter.ranges.size()) return false;
    }
    const auto fits = [&](const abi::FaultPoint& p) {
        const auto is_register = [](u8 r) { return r < 16 || r == abi::FaultPoint::no_register; };
        return p.offset < end && is_register(p.base) && is_register(p.index) && p.scale <= 3;
    };
    return std::ranges::all_of(chapter.fault_points, fits) &&
           std::ranges::is_sorted(chapter.fault_points, {}, &abi::FaultPoint::offset);
}

/// Whether it has nothing but what begins in the window.
bool is_in(GuestAddr window, const abi::Chapter& chapter) {
    return std::ranges::all_of(chapter.units,
                               [&](const abi::StoredUnit& u) { return u.pc - window < abi::chapter_window; });
}

/// The same for what is there for putting chapters together.
bool is_linkage_consistent(const abi::Chapter& chapter) {
    const u64 end = chapter.code_bytes;
    const auto has_word = [&](u32 offset) { return u64{offset} + 4 <= end; };
    const auto fits = [&](const abi::UnitRelocation& r) {
        return has_word(r.offset) && static_cast<u32>(r.stub) < abi::stub_jumps;
    };
    const auto is_link = [&](const abi::UnitLink& link) {
        return has_word(link.site) && link.site % 4 == 0 && link.unlinked < end;
    };
    const auto is_answer = [&](const abi::ProfileAnswer& a) { return a.unit < chapter.units.size(); };
    return std::ranges::all_of(chapter.relocations, fits) && std::ranges::all_of(chapter.links, is_link) &&
           std::ranges::all_of(chapter.answers, is_answer) &&
           std::ranges::is_sorted(chapter.answers, {}, &abi::ProfileAnswer::unit) &&
           std::ranges::is_sorted(chapter.relocations, {}, &abi::UnitRelocation::offset) &&
           std::ranges::is_sorted(chapter.links, {}, &abi::UnitLink::site);
}

bool damaged() {
    count(Counter::store_damaged);
    return false;
}

/// The arrays of one part, and the part's checksum (format.h).
class Part {
  public:
    template <class T, class From, class Convert>
    void array(const std::vector<From>& list, Convert&& convert) {
        const std::size_t begin = bytes_.size();
        for (const From& element : list) {
            const T value = convert(element);
            const std::span<const u8> own = bytes_of(value);
            bytes_.insert(bytes_.end(), own.begin(), own.end());
        }
        checksum_ = hash_bytes(std::span(bytes_).subspan(begin), checksum_);
    }
    const std::vector<u8>& bytes() const { return bytes_; }
    u64 checksum() const { return checksum_; }

  private:
    std::vector<u8> bytes_;
    u64 checksum_ = 0;
};

FileRange file_range(const abi::CodeRange& r) { return {r.begin.raw, r.bytes}; }
FileFaultPoint file_fault_point(const abi::FaultPoint& p) {
    return {p.offset, p.retired, p.pc.raw, p.base, p.index, p.scale, 0, p.disp};
}
FileLink file_link(const abi::UnitLink& l) { return {l.target.raw, l.site, l.unlinked}; }
FileRelocation file_relocation(const abi::UnitRelocation& r) { return {r.offset, static_cast<u32>(r.stub)}; }

Part tables_of(const abi::Chapter& chapter) {
    Part part;
    part.array<FileUnit>(chapter.units, [](const abi::StoredUnit& u) {
        return FileUnit{u.pc.raw,       u.entry,       u.forward,    u.counter_site,
                        u.instructions, u.first_range, u.range_count};
    });
    part.array<FileRange>(chapter.ranges, file_range);
    part.array<FileFaultPoint>(chapter.fault_points, file_fault_point);
    return part;
}

Part linkage_of(const abi::Chapter& chapter) {
    Part part;
    part.array<FileLink>(chapter.links, file_link);
    part.array<FileRelocation>(chapter.relocations, file_relocation);
    part.array<FileAnswer>(chapter.answers, [](const abi::ProfileAnswer& a) {
        return FileAnswer{a.pc.raw, a.entries, a.unit_instructions, a.unit, 0};
    });
    return part;
}

}  // namespace

// ---- Reading ----

std::unique_ptr<ImageFile> ImageFile::open(int file, const abi::ImageKey& key, const BuildId& build) {
    struct stat facts;
    if (fstat(file, &facts) != 0 || facts.st_size < static_cast<off_t>(sizeof(FileHeader))) return nullptr;
    const auto bytes = static_cast<std::size_t>(facts.st_size);
    void* const mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED) return nullptr;
    std::unique_ptr<ImageFile> image(new ImageFile({static_cast<const u8*>(mapped), bytes}, true));
    return image->read_header(key, build) ? std::move(image) : nullptr;
}

std::unique_ptr<ImageFile> ImageFile::parse(std::span<const u8> bytes, const abi::ImageKey& key,
                                            const BuildId& build) {
    std::unique_ptr<ImageFile> image(new ImageFile(bytes, false));
    return image->read_header(key, build) ? std::move(image) : nullptr;
}

ImageFile::~ImageFile() {
    if (mapped_) munmap(const_cast<u8*>(bytes_.data()), bytes_.size());
}

bool ImageFile::read_header(const abi::ImageKey& key, const BuildId& build) {
    FileHeader header;
    if (bytes_.size() < sizeof header || !copy(&header, bytes_.first(sizeof header))) return false;
    if (!is_known(header)) return false;
    if (header.build[0] != build.word[0] || header.build[1] != build.word[1] || header.key[0] != key.low ||
        header.key[1] != key.high || header.file_bytes != bytes_.size())
        return false;
    const std::span<const u8> table = bytes_.subspan(sizeof header);
    if (header.chapters > table.size() / sizeof(FileChapter)) return false;
    chapters_.resize(header.chapters);
    const u64 table_bytes = chapters_.size() * sizeof(FileChapter);
    if (!copy(chapters_.data(), table.first(table_bytes))) return false;
    if (header.path_bytes > table.size() - table_bytes) return false;
    origin_ = {std::string(header.path_bytes, 0), header.code_begin, header.code_end, header.code_offset};
    if (!copy(origin_.path.data(), table.subspan(table_bytes, header.path_bytes))) return false;
    if (!read_index(header, align_up(sizeof header + table_bytes + header.path_bytes, 8))) return false;
    if (checksum_of(header, chapters_, origin_.path, index_) != header.checksum) return false;
    units_ = header.units;
    name_ = {key, build};
    for (const FileChapter& chapter : chapters_) windows_.push_back(GuestAddr(chapter.window));
    return std::ranges::is_sorted(windows_);
}

std::optional<ImageName> ImageFile::name_in(std::span<const u8> bytes) {
    FileHeader header;
    if (bytes.size() < sizeof header || !copy(&header, bytes.first(sizeof header)) || !is_known(header))
        return std::nullopt;
    return ImageName{{header.key[0], header.key[1]}, {{header.build[0], header.build[1]}}};
}

bool ImageFile::read_index(const FileHeader& header, u64 begin) {
    if (header.spares == 0) return header.index_pages == 0 && header.spare_units == 0;
    if (begin > bytes_.size() || header.index_pages >= (bytes_.size() - begin) / sizeof(u32)) return false;
    index_.resize(header.index_pages + 1);
    if (!copy(index_.data(), bytes_.subspan(begin, index_.size() * sizeof(u32)))) return false;
    index_begin_ = header.index_begin;
    spare_units_begin_ = align_up(begin + index_.size() * sizeof(u32), 8);
    spares_begin_ = spare_units_begin_ + u64{header.spare_units} * sizeof(FileSpareUnit);
    if (spares_begin_ + u64{header.spares} * sizeof(FileSpare) > bytes_.size()) return false;
    spare_units_ = header.spare_units;
    spares_ = header.spares;
    return std::ranges::is_sorted(index_) && index_.back() == spare_units_;
}

bool ImageFile::is_whole() const {
    abi::Chapter chapter;
    for (u32 number = 0; number < spares_; ++number)
        if (!read_all_of_spare(number, chapter)) return false;
    return std::ranges::all_of(windows_, [&](GuestAddr window) { return read_all(window, chapter); });
}

const FileChapter* ImageFile::find(GuestAddr window) const {
    const auto place = std::ranges::lower_bound(windows_, window);
    if (place == windows_.end() || *place != window) return nullptr;
    return &chapters_[static_cast<std::size_t>(place - windows_.begin())];
}

bool ImageFile::copy_array(const FileChapter& chapter, u64& begin, std::span<u8> to, u64& checksum) const {
    const u64 bytes = chapter.data_bytes();
    if (chapter.offset > bytes_.size() || bytes > bytes_.size() - chapter.offset) return false;
    if (!copy(to.data(), bytes_.subspan(chapter.offset + begin, to.size()))) return false;
    begin += to.size();
    checksum = hash_bytes(to, checksum);
    return true;
}

bool ImageFile::read_tables(const FileChapter& chapter, abi::Chapter& out) const {
    if (chapter.data_bytes() > bytes_.size()) return damaged();
    out = {};
    out.guest_hash = chapter.guest_hash;
    out.code_bytes = chapter.code_bytes;
    out.units.resize(chapter.units);
    out.ranges.resize(chapter.ranges);
    out.fault_points.resize(chapter.fault_points);
    u64 begin = 0, checksum = 0;
    return (copy_array(chapter, begin, raw(out.units), checksum) &&
            copy_array(chapter, begin, raw(out.ranges), checksum) &&
            copy_array(chapter, begin, raw(out.fault_points), checksum) &&
            checksum == chapter.table_checksum && is_consistent(out)) ||
           damaged();
}

bool ImageFile::read_code(const FileChapter& chapter, std::span<u8> to) const {
    if (chapter.code_bytes != to.size()) return false;
    u64 begin = chapter.table_bytes(), checksum = 0;
    return (copy_array(chapter, begin, to, checksum) && checksum == chapter.code_checksum) || damaged();
}

bool ImageFile::read_linkage(const FileChapter& chapter, abi::Chapter& out) const {
    std::vector<FileLink> links(chapter.links);
    std::vector<FileRelocation> relocations(chapter.relocations);
    std::vector<FileAnswer> answers(chapter.answers);
    u64 begin = chapter.table_bytes() + chapter.code_bytes, checksum = 0;
    if (!copy_array(chapter, begin, raw(links), checksum) ||
        !copy_array(chapter, begin, raw(relocations), checksum) ||
        !copy_array(chapter, begin, raw(answers), checksum) || checksum != chapter.linkage_checksum)
        return damaged();
    for (const FileLink& l : links) out.links.push_back({l.site, l.unlinked, GuestAddr(l.target)});
    for (const FileRelocation& r : relocations)
        out.relocations.push_back({r.offset, static_cast<abi::Stub>(r.stub)});
    for (const FileAnswer& a : answers)
        out.answers.push_back({GuestAddr(a.pc), a.entries, a.unit_instructions, a.unit});
    return is_linkage_consistent(out) || damaged();
}

bool ImageFile::read(GuestAddr window, abi::Chapter& out) const {
    const FileChapter* const chapter = find(window);
    return chapter != nullptr && read_tables(*chapter, out) && (is_in(window, out) || damaged());
}

bool ImageFile::read_code(GuestAddr window, std::span<u8> to) const {
    const FileChapter* const chapter = find(window);
    if (chapter == nullptr) return false;
    const bool whole = read_code(*chapter, to);
    let_go(*chapter);
    return whole;
}

void ImageFile::let_go(const FileChapter& chapter) const {
    const auto page = [&](u64 offset) { return std::min<u64>(align_down(offset, 4096), bytes_.size()); };
    const u64 begin = page(chapter.offset), end = page(chapter.offset + chapter.data_bytes());
    if (mapped_ && begin < end) madvise(const_cast<u8*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

bool ImageFile::read_all(GuestAddr window, abi::Chapter& out) const {
    if (!read(window, out)) return false;
    out.code.resize(out.code_bytes);
    return read_code(window, out.code) && read_linkage(*find(window), out);
}

// ---- Spare chapters ----

std::optional<u32> ImageFile::find_spare(GuestAddr pc) const {
    const u64 page = (pc.raw - index_begin_) / index_page;
    if (page + 1 >= index_.size()) return std::nullopt;
    // No more units can begin in a page: each is at an even address.
    FileSpareUnit rows[index_page / 2];
    const u32 first = index_[page], count = std::min<u32>(index_[page + 1] - first, std::size(rows));
    const u64 bytes = count * sizeof rows[0];
    if (!copy(rows, bytes_.subspan(spare_units_begin_ + u64{first} * sizeof rows[0], bytes)))
        return std::nullopt;
    const std::span<const FileSpareUnit> units(rows, count);
    const auto unit =
        std::ranges::lower_bound(units, static_cast<u32>(pc.raw - index_begin_), {}, &FileSpareUnit::pc);
    const bool is_here = unit != units.end() && unit->pc == pc.raw - index_begin_ && unit->number < spares_;
    return is_here ? std::optional(unit->number) : std::nullopt;
}

bool ImageFile::spare_at(u32 number, FileChapter& out) const {
    if (number >= spares_) return damaged();
    if (number == latest_spare_) {
        out = latest_;
        return true;
    }
    FileSpare row;
    const bool is_whole = copy(&row, bytes_.subspan(spares_begin_ + u64{number} * sizeof row, sizeof row)) &&
                          hash_bytes(bytes_of(row.chapter)) == row.checksum;
    if (!is_whole) return damaged();
    out = latest_ = row.chapter;
    latest_spare_ = number;
    return true;
}

bool ImageFile::read_spare(u32 number, abi::Chapter& out) const {
    FileChapter chapter;
    return spare_at(number, chapter) && read_tables(chapter, out);
}

bool ImageFile::read_spare_code(u32 number, std::span<u8> to) const {
    FileChapter chapter;
    return spare_at(number, chapter) && read_code(chapter, to);
}

bool ImageFile::read_all_of_spare(u32 number, abi::Chapter& out) const {
    FileChapter chapter;
    if (!spare_at(number, chapter) || !read_tables(chapter, out)) return false;
    out.code.resize(out.code_bytes);
    return read_code(chapter, out.code) && read_linkage(chapter, out);
}

// ---- Writing ----

void FileChapters::add(const abi::Chapter& chapter) {
    const Part tables = tables_of(chapter), linkage = linkage_of(chapter);
    const auto size = [](const auto& list) { return static_cast<u32>(list.size()); };
    for (const abi::StoredUnit& unit : chapter.units) units_.push_back({unit.pc.raw, size(table_)});
    table_.push_back({.window = align_down(chapter.units[0].pc.raw, abi::chapter_window),
                      .offset = data_.size(),
                      .units = size(chapter.units),
                      .ranges = size(chapter.ranges),
                      .fault_points = size(chapter.fault_points),
                      .code_bytes = size(chapter.code),
                      .links = size(chapter.links),
                      .relocations = size(chapter.relocations),
                      .answers = size(chapter.answers),
                      .guest_hash = chapter.guest_hash,
                      .table_checksum = tables.checksum(),
                      .code_checksum = hash_bytes(chapter.code),
                      .linkage_checksum = linkage.checksum()});
    for (const std::vector<u8>* part : {&tables.bytes(), &chapter.code, &linkage.bytes()})
        data_.insert(data_.end(), part->begin(), part->end());
    data_.resize(align_up(data_.size(), 8));
}

std::vector<u8> image_bytes(const abi::ImageKey& key, const BuildId& build, const abi::ImageOrigin& origin,
                            std::span<const abi::Chapter> chapters, const FileChapters& spares) {
    FileHeader header{};
    FileChapters own;
    for (const abi::Chapter& chapter : chapters) own.add(chapter);

    std::vector<FileChapters::Unit> units = spares.units_;
    std::ranges::sort(units, {}, &FileChapters::Unit::pc);
    if (!units.empty()) header.index_begin = align_down(units[0].pc, index_page);
    std::vector<u32> index;
    std::vector<FileSpareUnit> unit_rows;
    for (u32 number = 0; number < units.size(); ++number) {
        const u64 distance = units[number].pc - header.index_begin;
        index.resize(distance / index_page + 1, number);
        unit_rows.push_back({static_cast<u32>(distance), units[number].number});
    }
    if (!index.empty()) index.push_back(static_cast<u32>(units.size()));

    const auto bytes = [](const auto& list) { return list.size() * sizeof(list[0]); };
    const u64 path_begin = sizeof header + bytes(own.table_);
    const u64 index_begin = align_up(path_begin + origin.path.size(), 8);
    const u64 spares_begin = align_up(index_begin + bytes(index), 8) + bytes(unit_rows);
    const u64 spare_data_begin = spares_begin + spares.table_.size() * sizeof(FileSpare);
    const u64 data_begin = spare_data_begin + spares.data_.size();
    std::vector<FileSpare> spare_rows;
    for (FileChapter chapter : spares.table_) {
        chapter.offset += spare_data_begin;
        spare_rows.push_back({chapter, hash_bytes(bytes_of(chapter))});
    }
    for (FileChapter& chapter : own.table_) chapter.offset += data_begin;

    std::memcpy(header.magic, file_magic, sizeof file_magic);
    header.version = file_version;
    header.chapters = static_cast<u32>(chapters.size());
    header.build[0] = build.word[0];
    header.build[1] = build.word[1];
    header.key[0] = key.low;
    header.key[1] = key.high;
    header.units = own.units_.size() + units.size();
    header.file_bytes = data_begin + own.data_.size();
    header.code_begin = origin.begin;
    header.code_end = origin.end;
    header.code_offset = origin.offset;
    header.path_bytes = static_cast<u32>(origin.path.size());
    header.index_pages = index.empty() ? 0 : static_cast<u32>(index.size() - 1);
    header.spare_units = static_cast<u32>(unit_rows.size());
    header.spares = static_cast<u32>(spare_rows.size());
    header.checksum = checksum_of(header, own.table_, origin.path, index);

    std::vector<u8> file;
    file.reserve(header.file_bytes);
    const auto append = [&](const auto& list) {
        const auto* const first = reinterpret_cast<const u8*>(std::data(list));
        file.insert(file.end(), first, first + std::size(list) * sizeof *std::data(list));
        file.resize(align_up(file.size(), 8));
    };
    append(bytes_of(header));
    append(own.table_);
    append(origin.path);
    append(index);
    append(unit_rows);
    append(spare_rows);
    append(spares.data_);
    append(own.data_);
    return file;
}

}  // namespace kiln::store
