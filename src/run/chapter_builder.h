// Puts a chapter (abi/unit_store.h) together: of units just compiled, and of those of an older chapter.
#pragma once

#include <map>

#include "abi/unit_store.h"

namespace kiln::run {

class ChapterBuilder {
  public:
    /// Adds a unit; in the place of one with the same pc. `answers`: what its lifter was told.
    void add(GuestAddr pc, u32 instructions, std::vector<abi::CodeRange> ranges, abi::UnitCode code,
             std::vector<abi::ProfileAnswer> answers = {});
    /// Adds the units of a chapter whose pc have none yet.
    void add(const abi::Chapter& chapter);
    bool empty() const { return pieces_.empty(); }
    /// The chapter of all of them, but for its guest_hash. The same units give the same chapter.
    abi::Chapter build() const;

  private:
    struct Piece {
        u32 instructions;
        std::vector<abi::CodeRange> ranges;
        abi::UnitCode code;
        std::vector<abi::ProfileAnswer> answers;
    };
    std::map<u64, Piece> pieces_;  // by pc
};

}  // namespace kiln::run
