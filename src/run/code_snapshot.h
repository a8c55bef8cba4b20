// A copy of the guest code that a unit is made from. Guest code can change or go away while it is lifted; the
// lifter reads only this copy, every byte of it once, so that a unit and its hash are made from the same
// bytes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "abi/frontend.h"
#include "mem/address_space.h"

namespace kiln::run {

class CodeSnapshot final : public abi::CodeSource {
  public:
    explicit CodeSnapshot(mem::AddressSpace& space) : space_(space) {}

    /// Forgets what was copied.
    void clear() { used_ = 0; }
    std::span<const u8> fetch(GuestAddr pc) override;
    abi::FaultKind fetch_fault(GuestAddr pc) override;

    /// The hash of the bytes of `ranges`, all of which were fetched.
    u64 hash(std::span<const abi::CodeRange> ranges);
    /// The same hash of what is in memory now; none when it cannot be read.
    static std::optional<u64> hash_now(const mem::AddressSpace& space,
                                       std::span<const abi::CodeRange> ranges);

  private:
    /// Copied at once: most units are shorter.
    static constexpr std::size_t piece_bytes = 256;
    struct Piece {
        GuestAddr begin;
        std::size_t size = 0;
        u8 bytes[piece_bytes];
    };
    const Piece* piece_at(GuestAddr address) const;

    mem::AddressSpace& space_;
    std::vector<std::unique_ptr<Piece>> pieces_;  // those in use first; they do not move
    std::size_t used_ = 0;
    std::vector<u8> gathered_;
};

}  // namespace kiln::run
