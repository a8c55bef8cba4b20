// From machine operations on physical registers to bytes: only encode_state.h and operands.h include the
// assembler library. What rarely happens (NaNs, divisions by zero, exits by a branch, polls) stands behind the unit's code.
//
// The bytes are position-independent but for the relocations; the same input gives the same bytes.
#pragma once

#include <functional>
#include <memory>

#include "abi/unit_code.h"
#include "emit/host_features.h"
#include "emit/machine.h"

namespace kiln::emit {

/// What shapes units besides the function and the host.
struct EmitOptions {
    bool flat = true;           ///< guest memory begins at host address 0
    bool count_jumps = false;   ///< Context::direct_jumps and indirect_jumps are kept
    bool listing = false;       ///< UnitCode::listing is made
    bool log_accesses = false;  ///< each access goes into the access log (abi/access_log.h)
    bool loop = true;  ///< a unit goes on at its own start without a link: its way back does not leave
    /// Asked after each step, whether it is to count as failed (--chaos). Null: none is. Any thread.
    std::function<bool()> fails;
};

/// Encodes functions; keeps its working memory between them. One thread at a time.
class Encoder {
  public:
    Encoder(const HostFeatures& features, const EmitOptions& options);
    ~Encoder();
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    /// Encodes an allocated function into `out` (emptied first). `counts`: the unit counts its entries.
    Result<void> encode(const MachineFunction& f, bool counts, abi::UnitCode& out);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kiln::emit
