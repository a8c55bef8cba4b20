// The run loop: finds or makes the unit at the guest's pc, runs it, links units to each other, and returns
// when something outside translated code has to happen. Which tiers make units is the engine's choice (run/engine_rules.h),
// and can be changed while threads run.
//
// Units that must not run any more (their guest code went away or changed) are retired: they forward to the
// unit that replaces them and stay allocated, because links, jump caches and threads may still be there. When
// retired and live units together exceed the limit, those entered longest ago are evicted: a generation ends
// (engine_eviction.cpp). Each thread drops what it knows of older generations when it next comes by, or before it
// next runs if it is parked outside; when all have, what was retired and evicted in the old generation is freed.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "abi/frontend.h"
#include "base/options.h"
#include "mem/address_space.h"
#include "run/cached_unit.h"
#include "run/chaos.h"
#include "run/code_pages.h"
#include "run/code_snapshot.h"
#include "run/exit_counts.h"
#include "run/fuel.h"
#include "run/jump_cache.h"
#include "run/observer.h"
#include "run/policy.h"
#include "run/saving.h"
#include "run/stored_code.h"
#include "run/tier.h"
#include "run/tier_decisions.h"
#include "run/unit_map.h"

namespace kiln::run {

class LockstepWitness;
enum class LockstepSteps : u8;

struct EngineOptions {
    EngineKind kind = EngineKind::hybrid;  ///< to begin with: Engine::switch_to()
    OptLevel opt = OptLevel::none;
    /// Whether units are put together without IR where the tier knows how to; without passes only.
    bool templates = true;
    /// How warm units are lifted.
    abi::LiftOptions lift;
    /// Most code runs a few times only. A unit is first cold: a basic block; entered this often, it is made again as
    /// `lift` says. 0: at once. With EngineKind::interp.
    u32 warm_after = 8;
    /// The same for EngineKind::hybrid, where they are compiled then.
    PolicyOptions policy{};
    /// Whether units are made to count their jumps, for statistics.
    bool count_jumps = false;
    /// Who looks on; null: nobody. Must outlive the engine.
    Observer* observer = nullptr;
    /// Compiled units run in lockstep with the interpreter, and this is told of a difference; null: they do not. Must
    /// outlive the engine.
    LockstepWitness* lockstep = nullptr;
    LockstepSteps lockstep_steps{};
    /// What the observer wants to see: IR; listings of host code; a sample of the guest's pc every so many instructions
    /// on average, which also takes the time of tiers (0: none).
    bool observe_ir = false, listings = false;
    u64 sample_every = 0;
    /// Where units of earlier processes are kept, and this one's will be; null: nowhere. Must outlive the engine. For
    /// engines that begin with EngineKind::hybrid, while they stay with it.
    abi::UnitStore* store = nullptr;
    /// Whether units that come from there are made again first, and must be the same to the byte.
    bool verify_store = false;
    /// Units are evicted when they take more than this, in bytes.
    std::size_t cache_bytes = std::size_t{256} << 20;
    /// And when there are more of them than this.
    std::size_t cache_units = std::size_t{1} << 22;
    /// What compiled code does without of the host's instruction set.
    HostFeatureSet without_host;
    Fuel fuel;
    std::optional<u64> chaos_seed;
};

class ChapterBuilder;
struct KnownCode;

/// What Engine::build_ahead() has put into an image.
struct BuiltAhead {
    u64 found = 0;       ///< units whose code was found
    u64 there = 0;       ///< of them, what the image had already
    u64 refused = 0;     ///< what cannot be compiled, or not be kept
    u64 host_bytes = 0;  ///< of the new units' code
};

class Engine {
  public:
    class Thread;

    /// Use make_engine() of run/wiring.h. All references stay the caller's and must outlive the engine.
    Engine(const abi::Frontend& frontend, mem::AddressSpace& space, MakeTier make_tier, Optimize optimize,
           const EngineOptions& options);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    const ir::StateLayout& layout() const { return *frontend_.env().layout; }

    /// A guest thread that will run on `context`, on the calling host thread. The context must outlive it.
    std::unique_ptr<Thread> attach(abi::Context& context);

    /// Runs the guest from the context's pc slot until one of: syscall, illegal, breakpoint, fault,
    /// fetch_fault, side_exit, and poll when attention was requested (abi::request_attention).
    abi::ExitReason run(Thread& thread);

    /// From now on guest code is run as `kind` says: units there are go, and each thread changes at its next border. Any
    /// thread, also while others run.
    void switch_to(EngineKind kind);
    EngineKind kind() const;

    /// Code in the range was unmapped or replaced, or lost its rights: no unit made from it is entered from
    /// now on. Any thread.
    void invalidate(GuestAddr begin, u64 bytes);
    /// Code may have been written since: units whose bytes are no longer those they were made from are not
    /// entered from now on. Any thread.
    void sync_code();
    /// The same for what was written to this range, under any address; an empty range means all memory.
    void sync_code(GuestAddr begin, u64 bytes);

    /// Lets the engine itself, or the host's kernel, write to the range where it did not because code is watched
    /// there; false when nothing was. Any thread.
    bool allow_writes(GuestAddr begin, u64 bytes);

    // ---- For debuggers ----

    /// From now on run() leaves with `breakpoint` before an instruction at one of `stops` (ascending), every
    /// time it comes there. Any thread.
    void set_stops(std::vector<GuestAddr> stops);
    bool is_stop(GuestAddr pc);
    /// Runs one instruction, a stop's too. Leaves as run() does; with `poll` when it is done.
    abi::ExitReason step(Thread& thread);
    /// Whether units look at Context::watch, where a thread has one, before they access memory: then they are
    /// of one instruction each, and run() leaves with `poll` behind one that touched what is watched. While
    /// no thread is in run() that has a watch.
    void set_watching(bool watching);

    /// Keeps every other thread out of the engine's tables while held: held over fork, the child's are whole.
    [[nodiscard]] std::unique_lock<std::mutex> freeze() { return std::unique_lock(mutex_); }
    /// With that lock held, right before fork(): false if the child could not have the translated code. Right after it,
    /// in parent and child: after_fork().
    bool before_fork();
    void after_fork(bool in_child);
    /// In the child of a fork, after the lock of freeze() was let go: of all threads only `survivor` is left.
    void after_fork_in_child(Thread& survivor);

    // ---- The store (engine_saving.cpp) ----

    /// The guest program ends: the store may note what was used of it.
    void end_use() {
        if (stored_ != nullptr) stored_->store().end_process();
    }
    /// Whether units were made that begin_saving() has not seen. Any thread.
    bool has_unsaved() const { return unsaved_.load(std::memory_order_relaxed); }
    /// What there is to keep of this process's units, but for what it has given before. Null: nothing that is worth it, or it cannot be done.
    std::unique_ptr<Saving> begin_saving();
    /// Compiles and writes it. In a process of its own, the copy of this one that fork() makes, where nothing else runs;
    /// `thread` is the one that forked.
    void finish_saving(Thread& thread, Saving& saving);
    /// Makes the units of a chapter again, of the guest code that is in memory: the chapter as it should be; none where
    /// that code is other code. While nothing else runs.
    std::optional<abi::Chapter> make_again(Thread& thread, const abi::Chapter& chapter);
    /// Compiles what can be found of that code, of a file as it is mapped, without running it, and puts it into the store as
    /// spare units. While nothing else runs. `known` has some code.
    Result<BuiltAhead> build_ahead(Thread& thread, const KnownCode& known);
    /// The image of the code mapped at `pc`; none if nothing is kept of it.
    std::optional<abi::ImageKey> image_at(GuestAddr pc) { return stored_->place_of(pc).key; }

    /// Adds what threads have tallied since the last time (guest instructions, lookups, exits) to the
    /// counters; for threads that are outside run() or the calling one.
    void settle_counts();

  private:
    /// How a unit is made.
    struct Making {
        abi::LiftOptions lift;  ///< what it points to stays with the thread
        bool warm = false;
        const Tier* compiler = nullptr;  ///< the tier that compiles it, if that can; null: it is interpreted
        u64 invalidation = 0;            ///< what invalidation_ was
        TierReason reason = TierReason::first_entry;
        std::string why_not;  ///< of the compiler, when it could not
        u64 nanoseconds = 0;  ///< that it took, if times are counted
    };

    /// Notes that the thread is about to look for units, and makes it forget what it knows of older generations.
    void come_in(Thread& thread);
    /// The unit at `pc` if it can be entered as it is, without the lock.
    const CachedUnit* find_ready(u64 pc) const;
    /// Finds or makes the unit at `pc` and links Context::link_site to it. Null, with the reason, when it cannot be
    /// fetched (the context's fault says why) or is a stop.
    const CachedUnit* enter(Thread& thread, u64 pc, abi::ExitReason& reason);
    /// Runs the unit from its entry until something leaves.
    abi::ExitReason run(Thread& thread, const CachedUnit& unit);
    /// Guest instructions until a thread that nobody asks for attention is next in leave().
    i64 grant(Thread& thread) const;
    void take_sample(Thread& thread);
    /// Counts that the guest was found in the region that begins at `region`; 0: where it is.
    void find_running(Thread& thread, u64 region);
    /// The same as run(), taking the time for the policy.
    abi::ExitReason run_timed(Thread& thread, const CachedUnit& unit);
    /// Does what leaving translated code with `reason` asks of the engine itself; whether run() returns.
    bool leave(Thread& thread, abi::ExitReason reason);
    /// Puts a unit of the base tier in the place of one that asked for it.
    void tier_down(Thread& thread, u64 pc);
    /// Notes that the thread is outside translated code; gives `reason` back.
    abi::ExitReason park(Thread& thread, abi::ExitReason reason);
    /// After a fault: whether the guest wrote to watched code, and may do so now.
    bool written(Thread& thread, GuestAddr address);

    /// With the lock held.
    Making making(Thread& thread, u64 pc, bool warm) const;
    std::unique_ptr<CachedUnit> make(Thread& thread, u64 pc, Making& how);
    /// Makes the thread's function of the code at `pc`; false when that cannot be fetched.
    bool lift(Thread& thread, u64 pc, const abi::LiftOptions& lift_options);
    /// Gives the unit of the thread's function code of how.compiler, if that has any for it; of the interpreter.
    void compile(Thread& thread, CachedUnit& unit, Making& how);
    /// Gives the unit the code of the region around it, if there is any; else `how` says why not.
    void compile_region(Thread& thread, CachedUnit& unit, Making& how);
    void interpret(Thread& thread, u64 pc, CachedUnit& unit);

    bool stops_at(GuestAddr pc) const {
        return stops_ != nullptr && std::binary_search(stops_->begin(), stops_->end(), pc);
    }

    /// What has run, for the lifter; looks into the tables, so not with the lock held.
    class BlockCounts final : public abi::Profile {
      public:
        explicit BlockCounts(Engine& engine) : engine_(engine) {}
        abi::CodeHistory at(GuestAddr pc) const override;

      private:
        Engine& engine_;
    };

    /// With the lock held, or where the level is known to have been made by the same thread or under it.
    const Tier& tier(TierLevel level) const { return *tiers_[static_cast<u8>(level)]; }
    const Tier& interpreter() const { return tier(TierLevel::interpreter); }
    /// Makes the tiers that these rules ask for, where they are not there; gives the rules as far as they can be had.
    EngineRules provide(EngineRules rules);
    PolicyOptions policy_options() const;
    /// With the lock held.
    void change_to(EngineKind kind);
    bool uses_store() const {
        return stored_ != nullptr && kind_.load(std::memory_order_relaxed) == EngineKind::hybrid;
    }

    u64 pc_of(const abi::Context& context) const;
    /// The unit at `pc`, the store's too; null if there is none.
    CachedUnit* find(Thread& thread, u64 pc);
    /// The store's unit at `pc`, to be entered as it is, for a pc that the tables do not have: valid until the thread
    /// next asks. Nothing is noted of it: most are entered by way of the run loop once. Null: see find().
    const CachedUnit* find_stored(Thread& thread, u64 pc);
    /// Whether the store may be asked for `pc`: its units know nothing of a debugger's wishes.
    bool may_use_stored(u64 pc) const {
        return uses_store() && !watching_ && stops_ == nullptr && !never_compiled_.contains(pc);
    }
    /// How often those of cold code may be entered before they ask for more.
    u16 stored_entries() const { return static_cast<u16>(std::min<u32>(policy_.stored_hot_after(), 0xffff)); }
    /// What checks chapters; null where nothing is asked.
    StoredCode::Verify verify_for(Thread& thread);
    /// Makes the link that the thread has come by, if there is one, and its jump cache lead to the unit. With the lock held.
    void lead_to(Thread& thread, const CachedUnit& unit);
    /// Whether there is such a link: units of one form only can enter each other.
    static bool links(const Thread& thread, const CachedUnit& unit);
    /// Those chapters are entered no more.
    void retire(std::vector<std::shared_ptr<InstalledChapter>> chapters);
    /// All of them are taken out of the tables; what is wanted of them is installed again.
    void bury_chapters();
    /// Compiles the unit at `pc` to be kept: a hot one as `profile` says, or, where that is null, a cold one. False when it
    /// has no code; else the thread's `lifted_` says what it covers.
    bool encode(Thread& thread, u64 pc, const abi::Profile* profile, abi::UnitCode& code);
    /// A spare chapter of the unit at `pc` and some that follow it, which it takes out of `blocks`; adds to `left` what would
    /// come next.
    std::optional<abi::Chapter> make_spare(Thread& thread, GuestAddr pc, std::set<GuestAddr>& blocks,
                                           std::vector<GuestAddr>& left);
    /// How units that are to be kept are lifted.
    abi::LiftOptions lift_to_keep(const abi::Profile* profile) const;
    /// Adds the units of the window that the image has, if they are of the guest code that is in memory.
    void add_kept(const abi::UnitImage* image, GuestAddr window, const StoredCode::Place& place,
                  ChapterBuilder& builder) const;
    /// The chapter that the builder puts together, checked against guest memory as it is.
    std::optional<abi::Chapter> finish_chapter(const ChapterBuilder& builder) const;
    CachedUnit* insert(Thread& thread, std::unique_ptr<CachedUnit> made);
    /// The same without making room for it.
    CachedUnit* add(Thread& thread, std::unique_ptr<CachedUnit> made);
    /// Makes a cold unit ask for the tier above when it has been entered often enough, or as far as it can count.
    void count_entries(CachedUnit& unit) const;
    void retire(CachedUnit& unit);
    /// The same for each, because its guest code changed or went away.
    void retire(const std::vector<CachedUnit*>& units);
    /// Tells those who watch that a unit is entered no more.
    void note_drop(const CachedUnit& unit, TierReason reason);
    void show(Thread& thread, const CachedUnit& unit, const Making& how);
    void show_ir(u64 pc, const ir::Function& f, std::string_view after);
    /// Evicts units if they take too much room.
    void make_room();
    /// Evicts those that were entered longest ago, until this much is left, and frees what was retired.
    void evict(std::size_t most_bytes, std::size_t most_units);
    /// Suspends all units, to see later which have been entered.
    void suspend_all();
    /// Ends a suspension: somebody came by.
    void resume(CachedUnit& unit);
    /// Retires all units.
    void flush(TierReason reason);
    /// Makes them units of the generation that ends, to be freed when no thread knows of them.
    void bury(std::unique_ptr<CachedUnit> unit);
    void bury_retired();
    void end_generation();
    void free_old_generations();

    const abi::Frontend& frontend_;
    mem::AddressSpace& space_;
    const MakeTier make_tier_;
    const Optimize optimize_;
    const EngineOptions options_;
    std::array<std::unique_ptr<Tier>, tier_levels>
        tiers_;  // by TierLevel, as far as wanted; outlive the units below
    const ir::SlotId pc_slot_;
    const BlockCounts block_counts_{*this};
    mutable Chaos chaos_{options_.chaos_seed};

    // Read without the lock:
    UnitMap units_;
    std::atomic<u64> generation_{1};
    std::atomic<bool> has_stops_{false};
    std::atomic<bool> unsaved_{false};
    std::atomic<EngineKind> kind_;

    std::mutex mutex_;  // guards everything below, and changes of what is above
    std::unordered_map<u64, std::vector<std::unique_ptr<CachedUnit>>> retired_;  // by pc
    std::unordered_set<u64> never_compiled_;  // where a compiled unit asked for the tier below
    EngineRules rules_;                       // of kind_, as far as they can be had
    Policy policy_;
    CodePages code_pages_;
    std::vector<std::pair<u64, std::unique_ptr<CachedUnit>>> old_;  // with their generation
    std::unique_ptr<StoredCode> stored_;                            // null: no store; stays as it was made
    std::size_t made_here_ = 0;                                     // units, since the process began
    std::vector<std::shared_ptr<InstalledChapter>> retired_chapters_;
    std::vector<std::pair<u64, std::shared_ptr<InstalledChapter>>> old_chapters_;  // with their generation
    std::vector<Thread*> threads_;
    std::size_t bytes_ = 0;                                // of live and retired units
    std::size_t retired_bytes_ = 0;                        // of those in retired_
    bool ages_known_ = false;                              // units have been suspended before
    std::shared_ptr<const std::vector<GuestAddr>> stops_;  // ascending; null: none
    bool watching_ = false;
    u64 invalidation_ = 0;  // how many there were: what was lifted meanwhile may be old code
};

/// A guest thread's part of the engine; used on its own host thread only.
class Engine::Thread {
  public:
    ~Thread();
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

  private:
    friend class Engine;
    Thread(Engine& engine, abi::Context& context);
    void settle();
    JumpCache& jump_cache_of(const Tier& tier) { return jump_caches_[static_cast<u8>(tier.form)]; }
    /// Before the thread runs code of the tier.
    void prepare(const Tier& tier) {
        bool& prepared = prepared_[static_cast<u8>(tier.level)];
        if (!std::exchange(prepared, true)) tier.prepare_thread(context_);
    }

    Engine& engine_;
    abi::Context& context_;
    JumpCache jump_caches_[code_forms];
    bool prepared_[tier_levels] = {};
    CodeForm latest_form_{};  // of the code that ran last: Context::link_site is in it
    CachedUnit stored_;       // find_stored()'s
    /// A tier's translator; made when it is first wanted, because some are large, and a process may find all in the store.
    Translator& translator(const Tier& tier) {
        std::unique_ptr<Translator>& own = translators_[static_cast<u8>(tier.level)];
        if (own == nullptr) own = tier.new_translator(engine_.frontend_);
        return *own;
    }
    std::unique_ptr<Translator> translators_[tier_levels];
    CodeSnapshot code_;
    ir::Function function_;
    abi::Lifted lifted_;
    // What the unit under way is made for:
    std::shared_ptr<const std::vector<GuestAddr>> stops_;
    bool watching_ = false;
    // Tallies, since settle() last handed them over; instructions: until then.
    u64 settled_instructions_ = 0;
    u64 lookups_ = 0, hits_ = 0, link_misses_ = 0, jump_cache_misses_ = 0;
    u64 exits_[exit_reason_count] = {};
    u32 interpreted_ = 0;  // counts towards the next that is timed
    // Of EngineOptions::sample_every.
    u64 sampled_instructions_ = 0;
    // Of find_running():
    u64 found_instructions_ = 0;  // executed when it came last
    u32 calm_ = 0;                // how often it has found nothing to do
    u64 random_ = 1;
    // Its latest write to watched code.
    GuestAddr written_page_;
    u64 written_instructions_ = 0;
    u64 generation_ = 1;  // it knows nothing of older ones
    /// The same while the thread is in run(), which keeps the generation's units from being freed; outside, it keeps nothing.
    std::atomic<u64> in_generation_{outside};
    static constexpr u64 outside = ~u64{0};
};

}  // namespace kiln::run
