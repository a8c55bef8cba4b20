#include "run/stored_code.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "base/check.h"
#include "base/counters.h"
#include "base/hash.h"
#include "mem/access.h"
#include "run/code_snapshot.h"

namespace kiln::run {
namespace {

/// A unit of a chapter, for the engine's tables.
class StoredUnitCode final : public TierCode {
  public:
    StoredUnitCode(std::shared_ptr<InstalledChapter> chapter, std::size_t number)
        : chapter_(std::move(chapter)), number_(number) {}
    const void* entry() const override { return chapter_->code->entry(unit().entry); }
    // The chapter is counted as a whole.
    std::size_t bytes() const override { return sizeof *this; }
    void forward(const void* target) override {
        chapter_->states[number_].left = true;
        chapter_->code->forward(unit(), target);
    }
    void suspend() override { chapter_->code->forward(unit(), nullptr); }
    void resume() override { chapter_->code->resume(unit()); }
    // Chapters go before anything that they are linked to does.
    void unlink_stale() override {}
    void count_entries(u16 entries) override { chapter_->code->count_entries(number_, entries); }
    u16 entries_left() const override { return chapter_->code->entries_left(number_); }
    std::span<const u8> host_code() const override {
        return {static_cast<const u8*>(entry()), unit().forward - unit().entry};
    }

  private:
    const abi::StoredUnit& unit() const { return chapter_->units[number_]; }

    const std::shared_ptr<InstalledChapter> chapter_;
    const std::size_t number_;
};

/// What a unit of the chapter has counted, if it could be entered `entries` times when that was installed.
abi::CodeHistory history_of(const InstalledChapter& chapter, std::size_t number, u16 entries) {
    const abi::StoredUnit& unit = chapter.units[number];
    if (unit.counter_site == 0) return {entries, unit.instructions};
    return {static_cast<u32>(std::max(0, entries - chapter.code->entries_left(number))), 0};
}

GuestAddr window_of(GuestAddr pc) { return GuestAddr(align_down(pc.raw, abi::chapter_window)); }

}  // namespace

// ---- One chapter ----

std::optional<std::size_t> InstalledChapter::find(GuestAddr pc) const {
    const auto unit = std::ranges::lower_bound(units, pc, {}, &abi::StoredUnit::pc);
    if (unit == units.end() || unit->pc != pc) return std::nullopt;
    return static_cast<std::size_t>(unit - units.begin());
}

void InstalledChapter::leave() {
    for (const abi::StoredUnit& unit : units) code->forward(unit, nullptr);
    for (State& state : states) state.left = true;
}

// ---- Places and images ----

StoredCode::StoredCode(abi::UnitStore& store, mem::AddressSpace& space, const Tier& tier, Observer* observer)
    : store_(store), space_(space), tier_(tier), observer_(observer) {}

bool StoredCode::Place::holds(std::span<const abi::CodeRange> ranges) const {
    return std::ranges::all_of(ranges, [&](const abi::CodeRange& range) {
        return range.begin.raw >= begin && range.begin.raw < end && range.bytes <= end - range.begin.raw;
    });
}

StoredCode::Place& StoredCode::find_place(GuestAddr pc) {
    const auto known = places_.upper_bound(pc.raw);
    if (known != places_.end() && pc.raw >= known->second.begin) return known->second;
    const auto region = space_.find(pc);
    if (!region || !(region->prot & PROT_EXEC)) return nowhere_;
    Place place{region->begin.raw, region->end.raw, region->offset, region->backing, key_of(*region)};
    return places_.insert_or_assign(place.end, place).first->second;
}

// What identifies a file is its first page: its headers, with the build id that linkers put there. Chapters are checked
// against the code itself.
std::optional<abi::ImageKey> StoredCode::key_of(const mem::Region& region) const {
    if (region.shared || region.backing->anonymous || (region.prot & PROT_WRITE)) return std::nullopt;
    if (region.offset > region.begin.raw) return std::nullopt;
    const GuestAddr base(region.begin.raw - region.offset);
    const auto first = space_.find(base);
    if (!first || first->begin.raw > base.raw || first->backing != region.backing ||
        first->offset + (base - first->begin) != 0 || (first->prot & PROT_WRITE))
        return std::nullopt;
    struct Identity {
        u8 page[mem::page_bytes];
        u64 base;
        u64 code_key;
    } identity;
    if (!mem::copy_from(identity.page, space_.host(base), sizeof identity.page)) return std::nullopt;
    identity.base = base.raw;
    identity.code_key = tier_.code_key();
    const std::span<const u8> bytes(reinterpret_cast<const u8*>(&identity), sizeof identity);
    return abi::ImageKey{hash_bytes(bytes), hash_bytes(bytes, 1)};
}

std::size_t StoredCode::units_of(const Place& place) const {
    const auto image = place.key ? images_.find(*place.key) : images_.end();
    return image == images_.end() || image->second.file == nullptr ? 0 : image->second.file->unit_count();
}

void StoredCode::Spares::prepare(u32 count) {
    // Untouched pages cost nothing; calloc(3) would clear them.
    const std::size_t bytes = std::max<std::size_t>(count, 1) * sizeof(u32);
    void* const places = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    KILN_CHECK(places != MAP_FAILED);
    places_ = {static_cast<u32*>(places), Unmap{bytes}};
}

void StoredCode::Spares::Unmap::operator()(u32* places) const { munmap(places, bytes); }

const StoredCode::Spares::Spare* StoredCode::Spares::find(u32 number) const {
    const u32 place = places_[number];
    return place != 0 ? &spares_[place - 1] : nullptr;
}

StoredCode::Spares::Spare& StoredCode::Spares::add(u32 number) {
    spares_.push_back({number, nullptr});
    places_[number] = static_cast<u32>(spares_.size());
    return spares_.back();
}

template <class Condition>
void StoredCode::Spares::erase_if(Condition&& condition) {
    for (const Spare& spare : spares_) places_[spare.number] = 0;
    std::erase_if(spares_, condition);
    for (u32 i = 0; i < spares_.size(); ++i) places_[spares_[i].number] = i + 1;
}

// ---- Finding and installing ----

std::unique_ptr<CachedUnit> StoredCode::find(GuestAddr pc, u16 entries, const Verify& verify) {
    const Found found = find_unit(pc, entries, verify);
    if (!found) return nullptr;
    const std::shared_ptr<InstalledChapter>& chapter = *found.chapter;
    const abi::StoredUnit& stored = found.unit();
    auto unit = std::make_unique<CachedUnit>();
    unit->pc = pc.raw;
    unit->tier = &tier_;
    unit->warm = stored.counter_site == 0;
    unit->instructions = stored.instructions;
    const auto ranges = chapter->ranges.begin() + stored.first_range;
    unit->ranges.assign(ranges, ranges + stored.range_count);
    unit->chapter = chapter.get();
    unit->code = std::make_unique<StoredUnitCode>(chapter, found.number);
    unit->entry = unit->code->entry();
    if (!unit->warm) unit->counted = history_of(*chapter, found.number, entries).entries;
    return unit;
}

std::optional<StoredCode::Ready> StoredCode::find_ready(GuestAddr pc, u16 entries, const Verify& verify) {
    const Found found = find_unit(pc, entries, verify);
    if (!found) return std::nullopt;
    const abi::StoredUnit& unit = found.unit();
    const TierChapter& code = *(*found.chapter)->code;
    const bool warm = unit.counter_site == 0;
    if (!warm && code.entries_left(found.number) == 0) return std::nullopt;
    return Ready{code.entry(unit.entry), warm, found.is_new ? found.chapter->get() : nullptr};
}

StoredCode::Found StoredCode::find_unit(GuestAddr pc, u16 entries, const Verify& verify) {
    Place& place = find_place(pc);
    if (!place.key) return {};
    if (place.image == nullptr) {
        entries_ = entries;
        const auto [known, is_new] = images_.try_emplace(*place.key);
        place.image = &known->second;
        if (is_new) {
            place.image->file = store_.open(*place.key);
            place.image->reserve = store_.open(abi::reserve_of(*place.key));
            if (place.image->reserve != nullptr)
                place.image->spares.prepare(place.image->reserve->spare_count());
        }
    }
    Image& image = *place.image;
    const auto unit_in = [&](const std::shared_ptr<InstalledChapter>& chapter, bool is_new) -> Found {
        const auto number = chapter != nullptr ? chapter->find(pc) : std::nullopt;
        return number ? Found{&chapter, *number, is_new} : Found{};
    };
    Found found;
    if (image.file != nullptr) {
        const GuestAddr window = window_of(pc);
        const auto [slot, unknown] = image.chapters.try_emplace(window.raw);
        if (unknown) {
            const abi::UnitImage& file = *image.file;
            slot->second = install({[&](abi::Chapter& to) { return file.read(window, to); },
                                    [&](abi::Chapter& to) { return file.read_all(window, to); },
                                    [&](std::span<u8> to) { return file.read_code(window, to); }},
                                   place, entries, verify);
        }
        found = unit_in(slot->second, unknown);
    }
    const auto spare = !found && image.reserve != nullptr ? image.reserve->find_spare(pc) : std::nullopt;
    if (spare) {
        const Spares::Spare* known = image.spares.find(*spare);
        const bool unknown = known == nullptr;
        if (unknown) {
            const abi::UnitImage& file = *image.reserve;
            Spares::Spare& added = image.spares.add(*spare);
            added.chapter = install({[&](abi::Chapter& to) { return file.read_spare(*spare, to); },
                                     [&](abi::Chapter& to) { return file.read_all_of_spare(*spare, to); },
                                     [&](std::span<u8> to) { return file.read_spare_code(*spare, to); }},
                                    place, entries, verify);
            has_spares_ |= added.chapter != nullptr;
            known = &added;
        }
        found = unit_in(known->chapter, unknown);
    }
    if (!found) return {};
    InstalledChapter::State& state = (*found.chapter)->states[found.number];
    if (state.left) return {};
    if (!state.asked) {  // not written for nothing: behind a fork the page may still be the parent's
        state.asked = true;
        count(Counter::units_entered);
    }
    return found;
}

std::shared_ptr<InstalledChapter> StoredCode::install(const Source& source, const Place& place, u16 entries,
                                                      const Verify& verify) {
    const CountedTime time(Counter::store_ns);
    abi::Chapter chapter;
    if (!source.read(chapter)) return nullptr;
    if (!place.holds(chapter.ranges) ||
        CodeSnapshot::hash_now(space_, chapter.ranges) != chapter.guest_hash) {
        count(Counter::store_stale);
        return nullptr;
    }
    if (abi::Chapter whole; verify && source.read_all(whole) && !verify(whole)) {
        count(Counter::store_mismatched);
        return nullptr;
    }
    auto code = tier_.install(chapter, source.read_code, entries);
    if (!code) return nullptr;
    auto installed = std::make_shared<InstalledChapter>();
    installed->units = std::move(chapter.units);
    installed->ranges = std::move(chapter.ranges);
    installed->states.resize(installed->units.size());
    installed->code = std::move(*code);
    bytes_ += installed->bytes();
    count(Counter::chapters_installed);
    count(Counter::units_loaded, installed->units.size());
    if (observer_ != nullptr)
        for (const abi::StoredUnit& unit : installed->units)
            observer_->see_unit(
                {.pc = unit.pc,
                 .ranges = std::span(installed->ranges).subspan(unit.first_range, unit.range_count),
                 .instructions = unit.instructions,
                 .reason = TierReason::stored,
                 .bytes = unit.forward - unit.entry,
                 .host_code = {static_cast<const u8*>(installed->code->entry(unit.entry)),
                               unit.forward - unit.entry}});
    return installed;
}

void StoredCode::for_each_entered_spare(const std::function<void(GuestAddr pc)>& visit) const {
    for (const auto& [key, image] : images_)
        for (const auto& [spare, chapter] : image.spares.all())
            for (std::size_t number = 0; chapter != nullptr && number < chapter->units.size(); ++number)
                if (!chapter->states[number].left && !chapter->states[number].given &&
                    history_of(*chapter, number, entries_).entries != 0)
                    visit(chapter->units[number].pc);
}

void StoredCode::note_given(GuestAddr pc) {
    for (auto& [key, image] : images_) {
        const auto number = image.reserve != nullptr ? image.reserve->find_spare(pc) : std::nullopt;
        const Spares::Spare* const spare = number ? image.spares.find(*number) : nullptr;
        if (spare == nullptr || spare->chapter == nullptr) continue;
        if (const auto unit = spare->chapter->find(pc)) spare->chapter->states[*unit].given = true;
    }
}

abi::CodeHistory StoredCode::history(GuestAddr pc) const {
    const auto place = places_.upper_bound(pc.raw);
    if (place == places_.end() || pc.raw < place->second.begin || !place->second.key) return {};
    const auto image = images_.find(*place->second.key);
    if (image == images_.end()) return {};
    const auto in = [&](const std::shared_ptr<InstalledChapter>& chapter) -> std::optional<abi::CodeHistory> {
        const auto number = chapter != nullptr ? chapter->find(pc) : std::nullopt;
        return number ? std::optional(history_of(*chapter, *number, entries_)) : std::nullopt;
    };
    const auto& [file, chapters, reserve, spares] = image->second;
    if (const auto slot = chapters.find(window_of(pc).raw); slot != chapters.end())
        if (const auto known = in(slot->second)) return *known;
    const auto number = reserve != nullptr ? reserve->find_spare(pc) : std::nullopt;
    const Spares::Spare* const spare = number ? spares.find(*number) : nullptr;
    return spare != nullptr ? in(spare->chapter).value_or(abi::CodeHistory{}) : abi::CodeHistory{};
}

// ---- Dropping ----

void StoredCode::close_files() {
    for (auto& [key, image] : images_) {
        image.file.reset();
        image.reserve.reset();
    }
}

template <class Condition>
std::vector<std::shared_ptr<InstalledChapter>> StoredCode::drop_if(Condition&& condition) {
    std::vector<std::shared_ptr<InstalledChapter>> dropped;
    // What is not to be had is asked for anew, too.
    const auto goes = [&](std::shared_ptr<InstalledChapter>& chapter) {
        if (chapter == nullptr) return true;
        if (!condition(*chapter)) return false;
        bytes_ -= chapter->bytes();
        chapter->leave();
        dropped.push_back(std::move(chapter));
        return true;
    };
    for (auto& [key, image] : images_) {
        for (auto slot = image.chapters.begin(); slot != image.chapters.end();)
            slot = goes(slot->second) ? image.chapters.erase(slot) : std::next(slot);
        image.spares.erase_if([&](Spares::Spare& spare) { return goes(spare.chapter); });
    }
    return dropped;
}

std::vector<std::shared_ptr<InstalledChapter>> StoredCode::drop(GuestAddr begin, u64 bytes) {
    const u64 end = begin.raw + bytes;
    bool any = false;
    for (auto place = places_.upper_bound(begin.raw); place != places_.end() && place->second.begin < end;
         any = true)
        place = places_.erase(place);
    if (!any) return {};
    return drop_if([&](const InstalledChapter& chapter) {
        return std::ranges::any_of(chapter.ranges, [&](const abi::CodeRange& range) {
            return range.begin.raw < end && range.begin.raw + range.bytes > begin.raw;
        });
    });
}

std::vector<std::shared_ptr<InstalledChapter>> StoredCode::drop_all() {
    return drop_if([](const InstalledChapter&) { return true; });
}

}  // namespace kiln::run
