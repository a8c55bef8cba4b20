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

    /// Forgets what was copied. Where code can be fetched is asked anew only when `version` is another than
    /// the last time: the caller changes it when it hears that this may have changed.
    void clear(u64 version) {
        used_ = 0;
        if (version != version_) fetchable_ = {};
        version_ = version;
    }
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
    std::span<const u8> fetchable(GuestAddr pc);

    mem::AddressSpace& space_;
    std::vector<std::unique_ptr<Piece>> pieces_;  // those in use first; they do not move
    std::size_t used_ = 0;
    GuestAddr fetchable_begin_;
    std::span<const u8> fetchable_;  // what can be fetched there; not read directly, it can go away
    u64 version_ = 0;
};

}  // namespace kiln::run
