// Moves that happen all at once: between registers, words of the context and constants, every source being read before
// any destination is written. What is made of them changes no flag and no register that is not a destination but
// scratch_fp.
#pragma once

#include <vector>

#include "emit/machine.h"

namespace kiln::emit {

/// Where a value is: a physical register, a word of the context, or nowhere, being a constant.
struct Location {
    enum class Kind : u8 { reg, memory, constant };
    Kind kind = Kind::constant;
    Reg reg = Reg::none;
    i32 disp = 0;  ///< of the word, from the context register
    u64 constant = 0;

    static Location in(Reg r) { return {.kind = Kind::reg, .reg = r}; }
    static Location at(i32 disp) { return {.kind = Kind::memory, .disp = disp}; }
    static Location of(u64 constant) { return {.constant = constant}; }
    bool operator==(const Location&) const = default;
};

class ParallelMoves {
  public:
    void add(const Location& to, const Location& from) {
        if (to != from) moves_.push_back({to, from});
    }
    /// Appends the moves to `code` and forgets them. `spare`: the disp of a word of the context that nobody uses.
    void emit(std::vector<MachineInst>& code, i32 spare);

  private:
    struct Move {
        Location to, from;
    };
    std::vector<Move> moves_;
};

}  // namespace kiln::emit
