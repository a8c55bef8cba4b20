// What the engine and a store of compiled units (src/store) agree on. A store keeps units of earlier processes; whoever
// asks it gets what was put in, or nothing: damage is a miss.
//
// Units are kept in images: one for each guest file, place where it is mapped, and way of compiling. An image consists of
// chapters: the units that begin in one window of guest addresses. A chapter is read, checked and installed as a whole,
// so that its units are linked to each other beforehand.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "abi/extent.h"
#include "abi/unit_code.h"

namespace kiln::abi {

/// Bytes of guest addresses whose units make a chapter; windows begin at multiples of it.
inline constexpr u64 chapter_window = u64{64} << 10;

/// One unit of a chapter. Offsets are into the chapter's code.
struct StoredUnit {
    GuestAddr pc;
    u32 entry = 0;
    u32 forward = 0;       ///< UnitCode::forward
    u32 counter_site = 0;  ///< UnitCode::counter_site; 0: it does not count, it was hot
    u32 instructions = 0;
    u32 first_range = 0, range_count = 0;  ///< its part of Chapter::ranges
    bool operator==(const StoredUnit&) const = default;
};

/// What a unit's lifter was told of other guest code: with this and the guest's bytes the same unit can be made again.
struct ProfileAnswer {
    GuestAddr pc;
    u32 entries = 0, unit_instructions = 0;  ///< CodeHistory
    u32 unit = 0;                            ///< its number in the chapter
    bool operator==(const ProfileAnswer&) const = default;
};

/// A chapter's code begins with a jump to each Stub, in their order, so many bytes apart; whoever installs it sets their
/// distances, the 4 bytes behind the first of each. Units go there, and to each other, by distances that are right.
inline constexpr u32 stub_jump_bytes = 8;
inline constexpr u32 stub_jumps = 3;

struct Chapter {
    std::vector<StoredUnit> units;  ///< by ascending pc, each pc once; their code is in the same order
    std::vector<CodeRange> ranges;  ///< of the units, one unit's after the other's
    std::vector<FaultPoint> fault_points;
    u64 guest_hash = 0;  ///< of the guest bytes of `ranges`, in their order
    u32 code_bytes = 0;

    // For putting chapters together; not needed to run one.
    std::vector<u8> code;
    std::vector<UnitRelocation> relocations;
    std::vector<UnitLink> links;
    std::vector<ProfileAnswer> answers;  ///< by ascending unit

    bool operator==(const Chapter&) const = default;
};

/// Where an image's guest code comes from: so that somebody can look at it, and make its units again.
struct ImageOrigin {
    std::string path;        ///< of the guest file, when the image was written
    u64 begin = 0, end = 0;  ///< the guest addresses that its code is mapped at
    u64 offset = 0;          ///< of `begin` in the file
};

/// Names an image: a hash of what identifies it.
struct ImageKey {
    u64 low = 0, high = 0;
    bool operator==(const ImageKey&) const = default;
};

/// The image that has the spare chapters of the code whose other units are in the image `key`.
inline ImageKey reserve_of(const ImageKey& key) { return {key.low, ~key.high}; }

/// An image as it was when it was opened. Any thread, one at a time.
class UnitImage {
  public:
    virtual ~UnitImage() = default;
    /// The windows that have a chapter, ascending.
    virtual std::span<const GuestAddr> windows() const = 0;
    virtual std::size_t unit_count() const = 0;
    /// Reads the chapter of a window, without what is only for putting chapters together; false if there is none, or none
    /// that is whole.
    virtual bool read(GuestAddr window, Chapter& out) const = 0;
    /// The chapter's code, to `to`, which has Chapter::code_bytes; false when that is not whole, and `to` is worthless.
    virtual bool read_code(GuestAddr window, std::span<u8> to) const = 0;
    /// All of the chapter.
    virtual bool read_all(GuestAddr window, Chapter& out) const = 0;

    // Spare chapters were made ahead of time. Nobody knows which of their units will run, so each has a few that control
    // goes to one after the other, wherever they stand. They have numbers from 0 on.
    virtual u32 spare_count() const { return 0; }
    /// The one with the unit at `pc`; it is there, or damaged.
    virtual std::optional<u32> find_spare(GuestAddr) const { return std::nullopt; }
    /// As the functions above.
    virtual bool read_spare(u32, Chapter&) const { return false; }
    virtual bool read_spare_code(u32, std::span<u8>) const { return false; }
    virtual bool read_all_of_spare(u32, Chapter&) const { return false; }
};

/// A right to replace one image; nobody else has it at the same time.
class ImageWriter {
  public:
    virtual ~ImageWriter() = default;
    /// Adds a spare chapter to what is written next.
    virtual void add_spare(const Chapter&) {}
    /// Puts these chapters, ascending, in the image's place, or changes nothing.
    virtual Result<void> write(const ImageOrigin& origin, std::span<const Chapter> chapters) = 0;
};

class UnitStore {
  public:
    virtual ~UnitStore() = default;
    /// Null when there is none.
    virtual std::unique_ptr<UnitImage> open(const ImageKey& key) = 0;
    /// Null when it may not be written, or somebody is at it.
    virtual std::unique_ptr<ImageWriter> begin_write(const ImageKey& key) = 0;
    virtual bool writable() const = 0;

    // For statistics, of what counters say: this process begins as the child of a fork; its guest program ends; it has
    // written what there was.
    virtual void begin_process() {}
    virtual void end_process() {}
    virtual void end_writing() {}
};

}  // namespace kiln::abi
