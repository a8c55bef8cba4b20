// From IR to a unit's code: tier 1, one unit at a time, and tier 2, regions; in one pass each of selection, allocation and
// encoding.
#pragma once

#include "emit/allocate.h"
#include "emit/allocate_region.h"
#include "emit/encode.h"
#include "emit/select.h"

namespace kiln::emit {

/// Makes units; keeps its working memory between them. One thread at a time.
class Translator {
  public:
    Translator(const HostFeatures& features, const EmitOptions& options)
        : selector_(features, options.flat), encoder_(features, options), fails_(options.fails) {}

    /// Makes the unit of `f`, which must be well formed (ir/verify.h), or says why this tier has no code for it.
    /// `counts`: the unit counts its entries (UnitCode::counter_site).
    Result<void> translate(const ir::Function& f, abi::UnitCode& unit, bool counts = false) {
        return selector_.select(f, machine_)
            .and_then([&] { return by_chance(); })
            .and_then([&] { return allocator_.allocate(machine_); })
            .and_then([&] { return by_chance(); })
            .and_then([&] { return encoder_.encode(machine_, counts, unit); })
            .and_then([&] { return by_chance(); });
    }

    /// The same for a region (Selector::select_region).
    Result<void> translate_region(const ir::Function& f, abi::UnitCode& unit, bool counts = false) {
        return selector_.select_region(f, machine_)
            .and_then([&] { return by_chance(); })
            .and_then([&] { return region_allocator_.allocate(machine_); })
            .and_then([&] { return by_chance(); })
            .and_then([&] { return encoder_.encode(machine_, counts, unit); })
            .and_then([&] { return by_chance(); });
    }

  private:
    /// EmitOptions::fails.
    Result<void> by_chance() const {
        if (fails_ && fails_()) return fail("chance made it fail");
        return {};
    }

    Selector selector_;
    Allocator allocator_;
    RegionAllocator region_allocator_;
    Encoder encoder_;
    MachineFunction machine_;
    const std::function<bool()> fails_;
};

}  // namespace kiln::emit
