// Guest code in a vector, for tests of lifters.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "abi/frontend.h"

namespace kiln::test {

class MemoryCode final : public abi::CodeSource {
  public:
    /// `bytes` at `begin`, handed out in runs that end at multiples of `run_bytes`.
    MemoryCode(GuestAddr begin, std::vector<u8> bytes, u64 run_bytes = 4096)
        : begin_(begin), bytes_(std::move(bytes)), run_bytes_(run_bytes) {}

    std::span<const u8> fetch(GuestAddr pc) override {
        if (pc - begin_ >= bytes_.size()) return {};
        const u64 run = run_bytes_ - pc.raw % run_bytes_;
        return std::span(bytes_).subspan(pc - begin_, std::min(run, bytes_.size() - (pc - begin_)));
    }
    abi::FaultKind fetch_fault(GuestAddr) override { return abi::FaultKind::unmapped; }

  private:
    GuestAddr begin_;
    std::vector<u8> bytes_;
    u64 run_bytes_;
};

}  // namespace kiln::test
