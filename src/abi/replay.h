// Replaying an access log (abi/access_log.h): a unit runs a second time, in the interpreter, and reads what it read the
// first time, whatever memory holds by now. It writes nowhere; what it would have written is kept for comparison.
//
// The unit's function is made for it (run/replay_accesses.h): before each access it calls the helper replay_access, which
// finds the access in the log, and the access itself goes through the soft MMU, which is this.
#pragma once

#include <span>
#include <vector>

#include "abi/access_log.h"

namespace kiln::abi {

class Replay {
  public:
    /// What the unit runs on: the caller sets header and slots, then calls begin().
    Context& context() { return *reinterpret_cast<Context*>(context_); }
    /// The Replay that this is the context of.
    static Replay& of(Context& context) { return *reinterpret_cast<Replay*>(&context); }

    /// `log` must stay. `fault`: how the unit ended, if by a fault: that of the log's last access, unless it is
    /// a misaligned one's, which is not logged.
    void begin(std::span<const Access> log, const Fault* fault);
    /// When the unit has been left: its accesses, as far as it came to them. `stored` is what they left in memory.
    std::span<const Access> end();

    /// For the helper: an access comes that wants `what` (bytes * 256 + AccessKind).
    void expect(u64 address, u64 what);

  private:
    static u8* translate(Context& context, u64 address, MmuAccess access);
    void settle();
    bool is_failing() const;  // the access that has just been announced

    alignas(temps_begin) u8 context_[temps_begin + temps_bytes];
    alignas(16) u8 bytes_[16] = {};  // the memory that the unit sees
    std::span<const Access> log_;
    const Fault* fault_ = nullptr;
    std::vector<Access> done_;
    bool ends_ = false;  // no more accesses are to come
};

}  // namespace kiln::abi
