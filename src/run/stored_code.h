// The stored units (abi/unit_store.h) that this process uses: which chapters are installed, and whether the guest bytes
// they were made from are those in memory.
//
// A chapter is installed when the guest first comes to a pc in its window for which the engine has no unit, and dropped
// as a whole when any of the guest code behind it changes or goes away. The engine learns of a unit when it looks for
// it; many are only ever entered by links inside the chapter. Where none has a unit for a pc, a spare chapter may have it:
// those are treated alike. Not thread-safe: the engine's lock guards it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "abi/unit_store.h"
#include "mem/address_space.h"
#include "run/cached_unit.h"
#include "run/observer.h"
#include "run/tier.h"

namespace kiln::run {

/// A chapter that is installed.
struct InstalledChapter {
    std::vector<abi::StoredUnit> units;  ///< ascending
    std::vector<abi::CodeRange> ranges;
    struct State {
        bool left = false;   ///< it forwards elsewhere, so that it cannot be entered any more
        bool given = false;  ///< of a spare chapter: to the store, to be kept in another
        bool asked = false;  ///< the engine has looked for it
    };
    std::vector<State> states;  ///< by unit
    std::unique_ptr<TierChapter> code;

    std::optional<std::size_t> find(GuestAddr pc) const;
    std::size_t bytes() const {
        return sizeof *this + units.size() * (sizeof units[0] + sizeof states[0]) +
               ranges.size() * sizeof ranges[0] + code->bytes();
    }
    /// Whoever enters one of its units leaves with ExitReason::lookup.
    void leave();
};

class StoredCode {
    struct Image;

  public:
    /// The references must outlive it. `tier` made the units of `store`, and runs them. `observer`: null for none.
    StoredCode(abi::UnitStore& store, mem::AddressSpace& space, const Tier& tier, Observer* observer);

    abi::UnitStore& store() { return store_; }

    /// Whether a chapter, whole, is as it should be; null: that is not asked.
    using Verify = std::function<bool(const abi::Chapter&)>;

    /// The unit at `pc`, for the engine's tables; null if there is none. A chapter's units may be entered `entries` times
    /// each until they ask for more. A chapter that had to be installed for it adds to bytes().
    std::unique_ptr<CachedUnit> find(GuestAddr pc, u16 entries, const Verify& verify);
    struct Ready {
        const void* entry;
        bool warm;
        const InstalledChapter* installed;  ///< for it; null: the chapter was there
    };
    /// The same, without anything that has to be kept, for a unit that can be entered as it is.
    std::optional<Ready> find_ready(GuestAddr pc, u16 entries, const Verify& verify);
    /// How often the unit there was entered while it counted, as far as chapters that are installed know it.
    abi::CodeHistory history(GuestAddr pc) const;
    /// The units of spare chapters that were entered and have not been given: they are worth being kept in others.
    void for_each_entered_spare(const std::function<void(GuestAddr pc)>& visit) const;
    /// That one has been given, if it is one.
    void note_given(GuestAddr pc);
    bool has_spares() const { return has_spares_; }
    /// Memory that installed chapters take.
    std::size_t bytes() const { return bytes_; }

    /// Guest code in the range changed or went away: gives the chapters made from it, which left.
    std::vector<std::shared_ptr<InstalledChapter>> drop(GuestAddr begin, u64 bytes);
    /// Lets go of the images' files: nothing more will be found.
    void close_files();
    /// drop() for all.
    std::vector<std::shared_ptr<InstalledChapter>> drop_all();

    /// Where units may be kept from: [begin, end) of a file that is mapped to be executed and that the guest cannot
    /// write, and the image that they belong to.
    struct Place {
        u64 begin = 0, end = 0;
        u64 offset = 0;  ///< of `begin` in the file
        std::shared_ptr<const mem::Backing> file;
        std::optional<abi::ImageKey> key;  ///< none: nothing is kept of it
        Image* image = nullptr;            ///< this process's; null: nobody has asked for it
        bool holds(std::span<const abi::CodeRange> ranges) const;
    };
    /// How many units the store has for it, as of when that was first asked for.
    std::size_t units_of(const Place& place) const;
    /// The place of `pc`; one without a key if it is nowhere of that kind.
    const Place& place_of(GuestAddr pc) { return find_place(pc); }

  private:
    /// Spare chapters by their numbers, of which there are many and few are wanted: what is not costs nothing.
    class Spares {
      public:
        struct Spare {
            u32 number;
            std::shared_ptr<InstalledChapter> chapter;  // null: not to be had
        };
        void prepare(u32 count);
        /// Null: nobody has asked for it.
        const Spare* find(u32 number) const;
        Spare& add(u32 number);
        /// What add() gave; not for long.
        const std::vector<Spare>& all() const { return spares_; }
        /// Takes those out that `condition` holds for.
        template <class Condition>
        void erase_if(Condition&& condition);

      private:
        std::vector<Spare> spares_;
        struct Unmap {
            std::size_t bytes;
            void operator()(u32* places) const;
        };
        std::unique_ptr<u32[], Unmap> places_;  // by number; 0: none, else 1 more
    };
    struct Image {
        std::unique_ptr<abi::UnitImage> file;  // null: there is none
        std::unordered_map<u64, std::shared_ptr<InstalledChapter>>
            chapters;                             // by window; null: none to be had
        std::unique_ptr<abi::UnitImage> reserve;  // with spare chapters; null: there is none
        Spares spares;
    };
    struct KeyHash {
        std::size_t operator()(const abi::ImageKey& key) const { return key.low; }
    };

    /// A unit of an installed chapter.
    struct Found {
        const std::shared_ptr<InstalledChapter>* chapter =
            nullptr;  // null: there is none that can be entered
        std::size_t number = 0;
        bool is_new = false;
        explicit operator bool() const { return chapter != nullptr; }
        const abi::StoredUnit& unit() const { return (*chapter)->units[number]; }
    };
    Place& find_place(GuestAddr pc);
    /// The unit at `pc`; installs the chapter that has it.
    Found find_unit(GuestAddr pc, u16 entries, const Verify& verify);
    /// Where a chapter is read from: as UnitImage's functions.
    struct Source {
        std::function<bool(abi::Chapter&)> read, read_all;
        std::function<bool(std::span<u8>)> read_code;
    };
    std::shared_ptr<InstalledChapter> install(const Source& source, const Place& place, u16 entries,
                                              const Verify& verify);
    std::optional<abi::ImageKey> key_of(const mem::Region& region) const;
    template <class Condition>
    std::vector<std::shared_ptr<InstalledChapter>> drop_if(Condition&& condition);

    abi::UnitStore& store_;
    mem::AddressSpace& space_;
    const Tier& tier_;
    Observer* const observer_;
    std::map<u64, Place> places_;  // by end
    Place nowhere_;                // what is not in any
    std::unordered_map<abi::ImageKey, Image, KeyHash> images_;
    bool has_spares_ = false;
    std::size_t bytes_ = 0;
    u16 entries_ = 0;  // that units could be entered when their chapter was installed
};

}  // namespace kiln::run
