// `kiln cache verify`: whether images are whole, and what compiling their guest code gives now.
#pragma once

#include <string>

#include "run/engine.h"
#include "store/upkeep.h"

namespace kiln::cli {

enum class Verdict : u8 {
    same,       ///< every unit was made again, and is the same to the byte
    stale,      ///< so are those whose guest code is still there; the file has changed otherwise
    unchecked,  ///< whole, but it cannot be made again here: other build or options, or the guest file is gone
    damaged,    ///< a checksum is wrong
    different,  ///< compiling gives something else
};

struct Verified {
    Verdict verdict = Verdict::unchecked;
    std::string why;
    u64 units = 0;  ///< that were made again
};

/// Makes the units of one image again, of the guest file that it names. In a process where no engine is.
Verified verify_image(const store::Upkeep& upkeep, const std::string& name,
                      const run::EngineOptions& options);

}  // namespace kiln::cli
