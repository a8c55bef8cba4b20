// GDB's JIT interface (GDB manual, 30 "JIT Compilation Interface"): a debugger of the kiln process itself is told
// the name of each piece of translated code. Not for debugging guests: that is --gdb.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string_view>

#include "base/types.h"

namespace kiln::debug {

/// One in a process. One thread at a time.
class GdbJit {
  public:
    GdbJit();
    ~GdbJit();
    GdbJit(const GdbJit&) = delete;
    GdbJit& operator=(const GdbJit&) = delete;

    /// Names this code; whatever was there before is forgotten.
    void add(std::span<const u8> host_code, std::string_view name);

  private:
    struct Entry;
    void remove(const u8* begin);
    std::map<const u8*, std::unique_ptr<Entry>> entries_;
};

}  // namespace kiln::debug
