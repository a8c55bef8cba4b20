// The file of an image (abi/unit_store.h). All numbers are little-endian; the machine that reads it is of the kind that
// wrote it, or the build id would differ.
//
//   FileHeader
//   FileChapter      one for each chapter, by ascending window
//   path             `path_bytes` bytes of the guest file's path, and zeros up to a multiple of 8
//   index            u32[`index_pages` + 1], in images that have spare chapters: by page of guest addresses from `index_begin`
//                    on, the number of the first FileSpareUnit there; zeros up to a multiple of 8
//   FileSpareUnit    one for each unit in them, by ascending pc
//   FileSpare        one for each spare chapter
//   chapters' data   at the offsets that FileChapter names, each at a multiple of 8, three parts without gaps:
//                      tables    FileUnit[units], FileRange[ranges], FileFaultPoint[fault_points]
//                      code      `code_bytes` bytes
//                      linkage   FileLink[links], FileRelocation[relocations], FileAnswer[answers]: what writers of
//                                images need
//
// Header, table of chapters, path and index are under one checksum, looked at when the image is opened, a FileSpare under one
// of its own, a FileSpareUnit under none (what it leads to has the unit or not); each part of a chapter is under
// one of its own, looked at when the part is read, and taken of the reader's copy. That of a part of several arrays is the last
// array's, each seeded with the one before. Checksums are XXH3-64: they find damage, not forgery. What is read
// is bounded by itself too: no number in a chapter leads out of it.
//
// A file of another version or another build of Kiln is none: there is no conversion.
#pragma once

#include <type_traits>

#include "base/types.h"

namespace kiln::store {

inline constexpr char file_magic[8] = {'k', 'i', 'l', 'n', 'u', 'n', 'i', 't'};
inline constexpr u32 file_version = 3;

struct FileHeader {
    char magic[8];
    u32 version;
    u32 chapters;
    u64 build[2];  ///< of Kiln
    u64 key[2];    ///< abi::ImageKey
    u64 units;     ///< in all chapters
    u64 file_bytes;
    u64 code_begin, code_end, code_offset;  ///< abi::ImageOrigin
    u32 path_bytes, index_pages;
    u64 index_begin;
    u32 spare_units, spares;
    u64 checksum;  ///< of this header, with 0 here, the table of chapters, the path and the index
};

/// Of guest addresses, in the index.
inline constexpr u64 index_page = 1024;

struct FileChapter {
    u64 window;
    u64 offset;  ///< of its data in the file
    u32 units, ranges, fault_points, code_bytes, links, relocations, answers, unused;
    u64 guest_hash;
    u64 table_checksum, code_checksum, linkage_checksum;

    u64 table_bytes() const;
    u64 linkage_bytes() const;
    u64 data_bytes() const { return table_bytes() + code_bytes + linkage_bytes(); }
};

// The fields are those of the structures in abi/ of like names, and where they are there: the first three are read by copying.
struct FileUnit {
    u64 pc;
    u32 entry, forward, counter_site, instructions, first_range, range_count;
};
struct FileRange {
    u64 begin, bytes;
};
struct FileRelocation {
    u32 offset, stub;
};
struct FileLink {
    u64 target;
    u32 site, unlinked;
};
struct FileAnswer {
    u64 pc;
    u32 entries, unit_instructions, unit, unused;
};
struct FileFaultPoint {
    u32 offset, retired;
    u64 pc;
    u8 base, index, scale, unused;
    i32 disp;
};

struct FileSpareUnit {
    u32 pc;      ///< less `index_begin`
    u32 number;  ///< of the FileSpare
};
struct FileSpare {
    FileChapter chapter;  ///< `window` is that of its first unit
    u64 checksum;         ///< of `chapter`
};

static_assert(std::has_unique_object_representations_v<FileSpare> &&
              std::has_unique_object_representations_v<FileSpareUnit> &&
              std::has_unique_object_representations_v<FileHeader> &&
              std::has_unique_object_representations_v<FileChapter> &&
              std::has_unique_object_representations_v<FileUnit> &&
              std::has_unique_object_representations_v<FileRange> &&
              std::has_unique_object_representations_v<FileRelocation> &&
              std::has_unique_object_representations_v<FileLink> &&
              std::has_unique_object_representations_v<FileAnswer> &&
              std::has_unique_object_representations_v<FileFaultPoint>);

inline u64 FileChapter::table_bytes() const {
    return u64{units} * sizeof(FileUnit) + u64{ranges} * sizeof(FileRange) +
           u64{fault_points} * sizeof(FileFaultPoint);
}
inline u64 FileChapter::linkage_bytes() const {
    return u64{links} * sizeof(FileLink) + u64{relocations} * sizeof(FileRelocation) +
           u64{answers} * sizeof(FileAnswer);
}

}  // namespace kiln::store
