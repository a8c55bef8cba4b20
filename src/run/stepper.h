// The interpreter, one guest instruction at a time, straight from guest memory: the reference for lockstep over units that
// are linked, because it knows of no units.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "run/tier.h"

namespace kiln::mem {
class AddressSpace;
}

namespace kiln::run {

/// One thread's. All references must outlive it.
class Stepper {
  public:
    Stepper(const abi::Frontend& frontend, mem::AddressSpace& space, const Tier& reference)
        : frontend_(frontend),
          space_(space),
          reference_(reference),
          translator_(reference.new_translator(frontend)),
          function_(frontend.env()) {}

    /// Runs the instruction at `pc`, its accesses replayed (abi/replay.h), on the context of a Replay; how it leaves. Nothing
    /// when it cannot be fetched.
    std::optional<abi::ExitReason> step(GuestAddr pc, abi::Context& context);

  private:
    struct Step {
        u64 pc = 0;
        u32 word = 0;  ///< the guest's bytes that it was made from
        std::unique_ptr<TierCode> code;
    };
    const Step* find(GuestAddr pc, const u8* memory);

    const abi::Frontend& frontend_;
    mem::AddressSpace& space_;
    const Tier& reference_;
    const std::unique_ptr<Translator> translator_;
    ir::Function function_;
    abi::Lifted lifted_;
    std::vector<Step> steps_{std::vector<Step>(65536)};  // by pc; a later one takes an earlier one's place
};

}  // namespace kiln::run
