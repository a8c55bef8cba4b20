// How the engine gives units to the store: the cold ones too, which it has never compiled; and those of code that it has
// never run.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "run/chapter_builder.h"
#include "run/code_finder.h"
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
    if ((made_here_ < fewest_hot && !stored_->has_spares()) || watching_ || stops_ != nullptr) return nullptr;
    std::map<u64, Saving::Image> by_place;  // by its end
    units_.for_each([&](const CachedUnit& unit) {
        if (unit.chapter != nullptr || unit.given) return;
        const StoredCode::Place& place = stored_->place_of(GuestAddr(unit.pc));
        if (!place.key || !place.holds(unit.ranges)) return;
        Saving::Image& image = by_place[place.end];
        image.place = place;
        image.units.push_back({unit.pc, unit.tier->level != TierLevel::interpreter});
    });
    stored_->for_each_entered_spare([&](GuestAddr pc) {
        const StoredCode::Place& place = stored_->place_of(pc);
        Saving::Image& image = by_place[place.end];
        image.place = place;
        image.units.push_back({pc.raw, false});
    });
    auto saving = std::make_unique<Saving>();
    for (auto& [end, image] : by_place) {
        const auto hot = static_cast<std::size_t>(std::ranges::count_if(image.units, &Saving::Unit::hot));
        const std::size_t fewest = std::max(fewest_units, stored_->units_of(image.place) / least_part);
        if (image.units.size() < fewest && hot < fewest_hot) continue;
        for (const Saving::Unit& unit : image.units) {
            if (CachedUnit* const made = units_.find(unit.pc)) made->given = true;
            stored_->note_given(GuestAddr(unit.pc));
        }
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
            const auto newer = chapters.find(window.raw / abi::chapter_window);
            if (newer != chapters.end())
                add_kept(current.get(), window, image.place, newer->second);
            else if (current->read_all(window, chapter))
                written.push_back(std::move(chapter));
        }
        for (const auto& [window, builder] : chapters)
            if (auto chapter = finish_chapter(builder)) written.push_back(std::move(*chapter));
        std::ranges::sort(written, {}, [](const abi::Chapter& chapter) { return chapter.units[0].pc; });
        const StoredCode::Place& place = image.place;
        (void)writer->write({place.file->name, place.begin, place.end, place.offset}, written);
    }
    stored_->store().end_writing();
}

abi::LiftOptions Engine::lift_to_keep(const abi::Profile* profile) const {
    abi::LiftOptions lift_options = options_.lift;
    lift_options.read_once = true;
    lift_options.profile = profile;
    lift_options.extend &= profile != nullptr;
    return lift_options;
}

bool Engine::encode(Thread& thread, u64 pc, const abi::Profile* profile, abi::UnitCode& code) {
    thread.code_.clear(++invalidation_);
    return lift(thread, pc, lift_to_keep(profile)) &&
           thread.translator(tier(TierLevel::units)).encode(thread.function_, profile == nullptr, code);
}

void Engine::add_kept(const abi::UnitImage* image, GuestAddr window, const StoredCode::Place& place,
                      ChapterBuilder& builder) const {
    abi::Chapter chapter;
    if (image != nullptr && image->read_all(window, chapter) && place.holds(chapter.ranges) &&
        CodeSnapshot::hash_now(space_, chapter.ranges) == chapter.guest_hash)
        builder.add(chapter);
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

// ---- Ahead of time ----

namespace {

/// Where control comes to behind what the unit calls; GuestAddr() where it calls nothing.
GuestAddr way_back(const ir::Function& f) {
    for (u32 b = 0; b < f.block_count(); ++b) {
        const ir::ValueId last = f[ir::BlockId(b)].last;
        if (last == ir::ValueId::none) continue;
        const ir::Inst& exit = f[last];
        const bool jumps = exit.op == ir::Op::goto_pc || exit.op == ir::Op::goto_ind;
        if (jumps && exit.hint() == ir::Hint::call) return GuestAddr(exit.imm2);
        if (exit.op == ir::Op::syscall) return GuestAddr(exit.imm);
    }
    return {};
}

}  // namespace

// A function's blocks around one, in the order in which control comes to them, without the functions that it calls.
std::optional<abi::Chapter> Engine::make_spare(Thread& thread, GuestAddr pc, std::set<GuestAddr>& blocks,
                                               std::vector<GuestAddr>& left) {
    // Measured (docs/decisions/0019-ahead-of-time.md): of fewer, more chapters are needed; of more, too much never runs.
    constexpr std::size_t most_units = 16;
    ChapterBuilder builder;
    std::vector<GuestAddr> ways{pc};
    std::size_t units = 0, next = 0;
    abi::UnitCode code;
    for (; next < ways.size() && units < most_units; ++next) {
        const GuestAddr at = ways[next];
        if (blocks.erase(at) == 0 || !encode(thread, at.raw, nullptr, code) ||
            !stored_->place_of(at).holds(thread.lifted_.ranges))
            continue;
        builder.add(at, thread.lifted_.instructions, thread.lifted_.ranges, code);
        ++units;
        if (const GuestAddr back = way_back(thread.function_); back != GuestAddr())
            ways.push_back(back);
        else
            for (const abi::UnitLink& link : code.links) ways.push_back(link.target);
    }
    left.insert(left.end(), ways.rbegin(), ways.rend() - static_cast<std::ptrdiff_t>(next));
    return builder.empty() ? std::nullopt : finish_chapter(builder);
}

Result<BuiltAhead> Engine::build_ahead(Thread& thread, const KnownCode& known) {
    const StoredCode::Place place = stored_->place_of(known.code.front().begin);
    if (!place.key) return fail("its code is not mapped as a program's");
    const abi::ImageKey key = abi::reserve_of(*place.key);
    const auto writer = stored_->store().begin_write(key);
    if (writer == nullptr)
        return fail("the store cannot be written, or another process is translating this file");
    const abi::LiftOptions options = lift_to_keep(nullptr);
    CodeFinder finder(frontend_, options, known);
    thread.code_.clear(++invalidation_);
    const std::vector<GuestAddr> found =
        finder.find(thread.code_, [&] { thread.code_.clear(invalidation_); });

    BuiltAhead built{.found = found.size()};
    if (const auto current = stored_->store().open(key)) {
        built.there = static_cast<u64>(
            std::ranges::count_if(found, [&](GuestAddr pc) { return current->find_spare(pc).has_value(); }));
        if (built.there == current->unit_count()) return built;
        built.there = 0;
    }
    std::set<GuestAddr> blocks(found.begin(), found.end());
    std::vector<GuestAddr> seeds(found.rbegin(), found.rend());
    seeds.insert(seeds.end(), known.starts.rbegin(), known.starts.rend());
    u64 units = 0;
    while (!seeds.empty()) {
        const GuestAddr seed = seeds.back();
        seeds.pop_back();
        if (!blocks.contains(seed)) continue;
        const auto chapter = make_spare(thread, seed, blocks, seeds);
        if (!chapter) continue;
        writer->add_spare(*chapter);
        built.host_bytes += chapter->code.size();
        units += chapter->units.size();
    }
    built.refused = built.found - units;
    if (units == 0) return built;
    const auto done = writer->write({place.file->name, place.begin, place.end, place.offset}, {});
    if (!done) return tl::unexpected(done.error());
    return built;
}

}  // namespace kiln::run
