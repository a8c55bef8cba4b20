// How the engine gives units to the store: the cold ones too, which it has never compiled.
#include <algorithm>
#include <map>
#include <utility>

#include "run/chapter_builder.h"
#include "run/engine.h"

namespace kiln::run {
namespace {

/// So many new units of an image are worth a process, if they are more than this part of those that it has.
constexpr std::size_t fewest_units = 16;
constexpr std::size_t least_part = 16;
/// So many are that were compiled in this process: they would be compiled again each time.
constexpr std::size_t fewest_hot = 2;

/// Asks another profile, and remembers what it said.
class RecordingProfile final : public abi::Profile {
  public:
    explicit RecordingProfile(const abi::Profile& source) : source_(source) {}
    abi::CodeHistory at(GuestAddr pc) const override {
        const auto known = std::ranges::find(answers_, pc, &abi::ProfileAnswer::pc);
        if (known != answers_.end()) return {known->entries, known->unit_instructions};
        const abi::CodeHistory history = source_.at(pc);
        answers_.push_back({pc, history.entries, history.unit_instructions});
        return history;
    }
    std::vector<abi::ProfileAnswer> take() { return std::exchange(answers_, {}); }

  private:
    const abi::Profile& source_;
    mutable std::vector<abi::ProfileAnswer> answers_;  // few
};

/// Gives the answers that another gave.
class ReplayedProfile final : public abi::Profile {
  public:
    explicit ReplayedProfile(std::span<const abi::ProfileAnswer> answers) : answers_(answers) {}
    abi::CodeHistory at(GuestAddr pc) const override {
        const auto known = std::ranges::find(answers_, pc, &abi::ProfileAnswer::pc);
        return known == answers_.end() ? abi::CodeHistory{}
                                       : abi::CodeHistory{known->entries, known->unit_instructions};
    }

  private:
    const std::span<const abi::ProfileAnswer> answers_;
};

}  // namespace

std::unique_ptr<Saving> Engine::begin_saving() {
    if (!uses_store() || !stored_->store().writable()) return nullptr;
    const std::lock_guard lock(mutex_);
    unsaved_.store(false, std::memory_order_relaxed);
    // Many are forked and become another program without having made anything.
    if (made_here_ < fewest_hot || watching_ || stops_ != nullptr) return nullptr;
    std::map<u64, Saving::Image> by_place;  // by its end
    units_.for_each([&](const CachedUnit& unit) {
        if (unit.chapter != nullptr || unit.given) return;
        const StoredCode::Place& place = stored_->place_of(GuestAddr(unit.pc));
        if (!place.key || !place.holds(unit.ranges)) return;
        Saving::Image& image = by_place[place.end];
        image.place = place;
        image.units.push_back({unit.pc, unit.tier->level != TierLevel::interpreter});
    });
    auto saving = std::make_unique<Saving>();
    for (auto& [end, image] : by_place) {
        const auto hot = static_cast<std::size_t>(std::ranges::count_if(image.units, &Saving::Unit::hot));
        const std::size_t fewest = std::max(fewest_units, stored_->units_of(image.place) / least_part);
        if (image.units.size() < fewest && hot < fewest_hot) continue;
        for (const Saving::Unit& unit : image.units) units_.find(unit.pc)->given = true;
        saving->images.push_back(std::move(image));
    }
    return saving->images.empty() ? nullptr : std::move(saving);
}

void Engine::finish_saving(Thread& thread, Saving& saving) {
    abi::UnitCode code;
    RecordingProfile profile(block_counts_);
    stored_->close_files();
    for (Saving::Image& image : saving.images) {
        const auto writer = stored_->store().begin_write(*image.place.key);
        if (writer == nullptr) continue;         // somebody is at it
        std::map<u64, ChapterBuilder> chapters;  // by window
        // The same order makes the same image.
        std::ranges::sort(image.units, {}, &Saving::Unit::pc);
        for (const Saving::Unit& unit : image.units) {
            if (!encode(thread, unit.pc, unit.hot ? &profile : nullptr, code)) continue;
            std::vector<abi::ProfileAnswer> answers = profile.take();
            if (!image.place.holds(thread.lifted_.ranges)) continue;
            chapters[unit.pc / abi::chapter_window].add(GuestAddr(unit.pc), thread.lifted_.instructions,
                                                        thread.lifted_.ranges, code, std::move(answers));
        }
        // What others have put there meanwhile stays, as far as it is about the same code.
        std::vector<abi::Chapter> written;
        const auto current = stored_->store().open(*image.place.key);
        for (GuestAddr window : current != nullptr ? current->windows() : std::span<const GuestAddr>()) {
            abi::Chapter chapter;
            if (!current->read_all(window, chapter)) continue;
            const auto newer = chapters.find(window.raw / abi::chapter_window);
            if (newer == chapters.end()) {
                written.push_back(std::move(chapter));
            } else if (image.place.holds(chapter.ranges) &&
                       CodeSnapshot::hash_now(space_, chapter.ranges) == chapter.guest_hash) {
                newer->second.add(chapter);
            }
        }
        for (const auto& [window, builder] : chapters)
            if (auto chapter = finish_chapter(builder)) written.push_back(std::move(*chapter));
        std::ranges::sort(written, {}, [](const abi::Chapter& chapter) { return chapter.units[0].pc; });
        const StoredCode::Place& place = image.place;
        (void)writer->write({place.file->name, place.begin, place.end, place.offset}, written);
    }
    stored_->store().end_writing();
}

bool Engine::encode(Thread& thread, u64 pc, const abi::Profile* profile, abi::UnitCode& code) {
    abi::LiftOptions lift_options = options_.lift;
    lift_options.read_once = true;
    lift_options.profile = profile;
    lift_options.extend &= profile != nullptr;
    thread.code_.clear(++invalidation_);
    return lift(thread, pc, lift_options) &&
           thread.translator(tier(TierLevel::units)).encode(thread.function_, profile == nullptr, code);
}

std::optional<abi::Chapter> Engine::make_again(Thread& thread, const abi::Chapter& chapter) {
    if (CodeSnapshot::hash_now(space_, chapter.ranges) != chapter.guest_hash) return std::nullopt;
    ChapterBuilder builder;
    abi::UnitCode code;
    for (u32 number = 0; number < chapter.units.size(); ++number) {
        const abi::StoredUnit& unit = chapter.units[number];
        const auto own = std::ranges::equal_range(chapter.answers, number, {}, &abi::ProfileAnswer::unit);
        const ReplayedProfile profile(own);
        if (encode(thread, unit.pc.raw, unit.counter_site == 0 ? &profile : nullptr, code))
            builder.add(unit.pc, thread.lifted_.instructions, thread.lifted_.ranges, code,
                        {own.begin(), own.end()});
    }
    return finish_chapter(builder);
}

std::optional<abi::Chapter> Engine::finish_chapter(const ChapterBuilder& builder) const {
    abi::Chapter chapter = builder.build();
    const auto hash = CodeSnapshot::hash_now(space_, chapter.ranges);
    if (!hash) return std::nullopt;
    chapter.guest_hash = *hash;
    return chapter;
}

}  // namespace kiln::run
