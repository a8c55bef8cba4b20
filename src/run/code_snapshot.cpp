#include "run/code_snapshot.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "mem/access.h"

namespace kiln::run {
namespace {

/// Of bytes that come one after the other, wherever they are cut: each piece's hash is the next one's seed. Memory for all
/// of a chapter's bytes would be new pages.
class PiecewiseHash {
  public:
    /// False when the bytes cannot be read.
    bool add(const u8* from, u64 bytes) {
        while (bytes != 0) {
            const std::size_t some = std::min<u64>(bytes, sizeof piece_ - used_);
            if (!mem::copy_from(piece_ + used_, from, some)) return false;
            from += some;
            bytes -= some;
            used_ += some;
            if (used_ == sizeof piece_) hash_ = hash_bytes(std::span(piece_, std::exchange(used_, 0)), hash_);
        }
        return true;
    }
    u64 value() const { return hash_bytes(std::span(piece_, used_), hash_); }

  private:
    u8 piece_[4096];
    std::size_t used_ = 0;
    u64 hash_ = 0;
};

}  // namespace

const CodeSnapshot::Piece* CodeSnapshot::piece_at(GuestAddr address) const {
    for (std::size_t i = used_; i-- > 0;)
        if (address - pieces_[i]->begin < pieces_[i]->size) return pieces_[i].get();
    return nullptr;
}

std::span<const u8> CodeSnapshot::fetchable(GuestAddr pc) {
    if (pc - fetchable_begin_ >= fetchable_.size()) {
        fetchable_begin_ = pc;
        fetchable_ = space_.fetch(pc);
    }
    return fetchable_.subspan(pc - fetchable_begin_);
}

std::span<const u8> CodeSnapshot::fetch(GuestAddr pc) {
    const Piece* piece = piece_at(pc);
    while (piece == nullptr) {
        const std::span<const u8> there = fetchable(pc);
        if (there.empty()) return {};
        if (used_ == pieces_.size()) pieces_.push_back(std::make_unique<Piece>());
        Piece& fresh = *pieces_[used_];
        std::size_t wanted = std::min(there.size(), piece_bytes);
        // A byte is read once: what is lifted is what is hashed.
        for (std::size_t i = 0; i < used_; ++i)
            if (pc < pieces_[i]->begin) wanted = std::min<std::size_t>(wanted, pieces_[i]->begin - pc);
        fresh.begin = pc;
        fresh.size = wanted - abi::guest_copy(fresh.bytes, there.data(), wanted);
        if (fresh.size == 0) {  // it went away meanwhile: what is there now?
            fetchable_ = {};
            continue;
        }
        ++used_;
        piece = &fresh;
    }
    return std::span(piece->bytes, piece->size).subspan(pc - piece->begin);
}

abi::FaultKind CodeSnapshot::fetch_fault(GuestAddr pc) { return space_.fetch_fault(pc); }

u64 CodeSnapshot::hash(std::span<const abi::CodeRange> ranges) {
    PiecewiseHash hash;
    for (const abi::CodeRange& range : ranges) {
        for (u64 done = 0; done < range.bytes;) {
            const Piece* const piece = piece_at(range.begin + done);
            KILN_CHECK(piece != nullptr);
            const u64 offset = range.begin + done - piece->begin;
            const u64 bytes = std::min<u64>(piece->size - offset, range.bytes - done);
            (void)hash.add(piece->bytes + offset, bytes);
            done += bytes;
        }
    }
    return hash.value();
}

std::optional<u64> CodeSnapshot::hash_now(const mem::AddressSpace& space,
                                          std::span<const abi::CodeRange> ranges) {
    PiecewiseHash hash;
    for (std::size_t i = 0; i < ranges.size();) {
        const GuestAddr begin = ranges[i].begin;
        u64 length = ranges[i].bytes;
        // Units that stand behind each other are copied at once.
        while (++i < ranges.size() && ranges[i].begin == begin + length) length += ranges[i].bytes;
        if (!hash.add(space.host(begin), length)) return std::nullopt;
    }
    return hash.value();
}

}  // namespace kiln::run
