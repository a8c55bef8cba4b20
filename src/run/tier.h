// What the run loop needs of a tier that makes code, and of the passes before it. Wired in wiring.cpp, so
// that run/ knows no tier.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "abi/context.h"
#include "abi/frontend.h"
#include "abi/unit_store.h"
#include "base/check.h"
#include "ir/function.h"
#include "run/engine_rules.h"

namespace kiln::run {

/// Code that a tier made for one unit. Its entry is what the tier's run() and link() take.
class TierCode {
  public:
    virtual ~TierCode() = default;
    virtual const void* entry() const = 0;
    /// Memory taken, in bytes.
    virtual std::size_t bytes() const = 0;
    /// From now on whoever enters goes to `target`, or leaves with ExitReason::lookup while that is null. Any
    /// thread may be in the code.
    virtual void forward(const void* target) = 0;
    /// From now on whoever enters leaves with ExitReason::lookup, until resume(): to see whether anybody does. Of code
    /// that is not suspended and does not forward. Any thread may be in it.
    virtual void suspend() = 0;
    virtual void resume() = 0;
    /// Unlinks its direct exits to code that is suspended or forwards, so that this can be freed.
    virtual void unlink_stale() = 0;
    /// Where it runs; empty if it is not the host's.
    virtual std::span<const u8> host_code() const { return {}; }
    /// Makes it leave with ExitReason::lookup instead of running when it has been entered `entries` times from now on.
    /// Before anybody can enter it, or again when it counts already. Cold code only.
    virtual void count_entries(u16) { KILN_UNREACHABLE(); }
    /// How many of those are left.
    virtual u16 entries_left() const { KILN_UNREACHABLE(); }
};

/// The units of a chapter (abi/unit_store.h) where a tier has installed them. Offsets are the chapter's.
class TierChapter {
  public:
    virtual ~TierChapter() = default;
    virtual const void* entry(u32 offset) const = 0;
    virtual std::size_t bytes() const = 0;
    /// As TierCode's for the unit.
    virtual void forward(const abi::StoredUnit& unit, const void* target) = 0;
    virtual void resume(const abi::StoredUnit& unit) = 0;
    /// As TierCode::count_entries() and entries_left() for the unit of this number in the chapter, which counts.
    virtual void count_entries(std::size_t number, u16 entries) = 0;
    virtual u16 entries_left(std::size_t number) const = 0;
};

/// Makes code; has working memory, so each thread has its own.
class Translator {
  public:
    virtual ~Translator() = default;
    virtual Result<std::unique_ptr<TierCode>> translate(const ir::Function& f) = 0;
    /// The unit at `pc`, made without IR, and in `lifted` what it covers. Null where the tier has no
    /// such way: then it must be lifted and translated.
    virtual std::unique_ptr<TierCode> assemble(GuestAddr pc, abi::CodeSource& code,
                                               const abi::LiftOptions& options, abi::Lifted& lifted) = 0;
    /// The region around `pc`, formed and optimized by the tier itself; for the rest as assemble(). An error where the tier
    /// makes none, or none there.
    virtual Result<std::unique_ptr<TierCode>> translate_region(GuestAddr, abi::CodeSource&,
                                                               const abi::LiftOptions&, abi::Lifted&) {
        return fail("this tier makes no regions");
    }
    /// Translates without installing, for a store; `counts`: the unit counts its entries. An error where the tier has no
    /// code for it, or none that can be kept.
    virtual Result<void> encode(const ir::Function&, bool counts, abi::UnitCode&) {
        (void)counts;
        return fail("this tier's code cannot be kept");
    }
    /// The code that translate() made last, for people, if that is wanted of it.
    virtual std::string_view listing() const { return {}; }
};

/// What code is made of. Tiers whose code has one form enter each other's directly: by links, jump caches and forwarding.
enum class CodeForm : u8 { cells, host };
inline constexpr std::size_t code_forms = 2;

/// One tier. Any thread may call it. What a translator gives lives no longer than the tier.
class Tier {
  public:
    Tier(TierLevel level, CodeForm form) : level(level), form(form) {}
    virtual ~Tier() = default;

    const TierLevel level;
    const CodeForm form;

    /// For code of the guest that `frontend` lifts, which must outlive it.
    virtual std::unique_ptr<Translator> new_translator(const abi::Frontend& frontend) const = 0;
    /// Runs code and everything linked from it until it leaves.
    virtual abi::ExitReason run(const void* entry, abi::Context& context) const = 0;
    /// Makes a direct exit (Context::link_site) go to `entry`.
    virtual void link(const void* site, const void* entry) const = 0;
    /// Before the calling thread first runs code on `context`.
    virtual void prepare_thread(abi::Context&) const {}
    /// Installs units that a store has kept, whose code `fill` writes where it is told; those that count may be entered
    /// `entries` times. An error when there is no room, or `fill` gives false. Takes the chapter's fault points.
    virtual Result<std::unique_ptr<TierChapter>> install(abi::Chapter&,
                                                         const std::function<bool(std::span<u8>)>& fill,
                                                         u16 entries) const {
        (void)fill, (void)entries;
        return fail("this tier's code cannot be kept");
    }
    /// What shapes the tier's code besides the guest's: host features and options, as a hash.
    virtual u64 code_key() const { return 0; }
    /// The code around units, of a tier that makes host code.
    virtual std::span<const u8> stub_code() const { return {}; }
    /// Before fork(), no other thread being in the engine: false if the child could not have the code. Behind a fork()
    /// that followed a success, in parent and child: after_fork().
    virtual bool before_fork() const { return true; }
    virtual void after_fork(bool) const {}
};

/// Makes the tier of that level; null, with a line on standard error, when it cannot be had: then there is no better one
/// either. The interpreter always can. Not called again for a level that it gave.
using MakeTier = std::function<std::unique_ptr<Tier>(TierLevel)>;

/// Hears of a function after each pass.
using AfterPass = std::function<void(const ir::Function& f, std::string_view pass)>;
using Optimize = std::function<void(ir::Function& f, const AfterPass& after)>;

}  // namespace kiln::run
