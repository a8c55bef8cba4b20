#include "run/code_snapshot.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "mem/access.h"

namespace kiln::run {

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
    gathered_.clear();
    for (const abi::CodeRange& range : ranges) {
        for (u64 done = 0; done < range.bytes;) {
            const Piece* const piece = piece_at(range.begin + done);
            KILN_CHECK(piece != nullptr);
            const u64 offset = range.begin + done - piece->begin;
            const u64 bytes = std::min<u64>(piece->size - offset, range.bytes - done);
            gathered_.insert(gathered_.end(), piece->bytes + offset, piece->bytes + offset + bytes);
            done += bytes;
        }
    }
    return hash_bytes(gathered_);
}

std::optional<u64> CodeSnapshot::hash_now(const mem::AddressSpace& space,
                                          std::span<const abi::CodeRange> ranges) {
    std::size_t total = 0, done = 0;
    for (const abi::CodeRange& range : ranges) total += range.bytes;
    std::vector<u8> bytes(total);
    for (std::size_t i = 0; i < ranges.size();) {
        const GuestAddr begin = ranges[i].begin;
        u64 length = ranges[i].bytes;
        // Units that stand behind each other are copied at once.
        while (++i < ranges.size() && ranges[i].begin == begin + length) length += ranges[i].bytes;
        if (!mem::copy_from(bytes.data() + done, space.host(begin), length)) return std::nullopt;
        done += length;
    }
    return hash_bytes(bytes);
}

}  // namespace kiln::run
