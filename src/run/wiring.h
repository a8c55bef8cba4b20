// Where the parts are put together: which tiers, passes and lifters an engine is made of.
#pragma once

#include <memory>

#include "run/engine.h"

namespace kiln::run {

enum class GuestIsa : u8 { riscv64 };

/// The lifter of a guest architecture. Lives as long as the process.
const abi::Frontend& frontend_of(GuestIsa isa);

/// An engine for the guest code in `space`, which must outlive it.
std::unique_ptr<Engine> make_engine(const abi::Frontend& frontend, mem::AddressSpace& space,
                                    const EngineOptions& options);

}  // namespace kiln::run
