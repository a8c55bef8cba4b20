// Replaying an access log, and what an atomic access of it left in memory.
#include "abi/replay.h"

#include <cstddef>
#include <cstring>

#include "abi/helpers.h"
#include "ir/semantics.h"

namespace kiln::abi {
namespace {

template <class U>
u64 left_by(const Access& access) {
    if (access.kind < AccessKind::rmw) return access.stored;
    const auto rmw = ir::Rmw(static_cast<u8>(access.kind) - static_cast<u8>(AccessKind::rmw));
    return ir::combine(rmw, static_cast<U>(access.loaded), static_cast<U>(access.stored));
}

}  // namespace

u64 Access::left() const {
    if (kind == AccessKind::cas) return ((loaded ^ expected) & mask()) == 0 ? stored : loaded;
    switch (bytes) {
        case 1: return left_by<u8>(*this);
        case 2: return left_by<u16>(*this);
        case 4: return left_by<u32>(*this);
        default: return left_by<u64>(*this);
    }
}

void Replay::begin(std::span<const Access> log, const Fault* fault) {
    static_assert(offsetof(Replay, context_) == 0);
    log_ = log;
    fault_ = fault;
    done_.clear();
    ends_ = false;
    context().translate = translate;
}

std::span<const Access> Replay::end() {
    settle();
    return done_;
}

bool Replay::is_failing() const {
    return fault_ != nullptr && done_.size() == log_.size() && fault_->kind != FaultKind::misaligned;
}

void Replay::settle() {
    if (done_.empty() || !done_.back().writes()) return;
    if (is_failing())
        done_.back().stored = log_.back().left();  // nobody has stored it
    else
        std::memcpy(&done_.back().stored, bytes_, 8);
}

void Replay::expect(u64 address, u64 what) {
    settle();
    const std::size_t at = done_.size();
    // What is misaligned faults before it is made.
    ends_ = fault_ != nullptr && fault_->kind == FaultKind::misaligned && at == log_.size();
    if (ends_) return;
    const u64 value = at < log_.size() ? log_[at].loaded : 0;
    std::memcpy(bytes_, &value, sizeof value);
    std::memset(bytes_ + 8, 0, 8);
    done_.push_back({.address = address,
                     .loaded = value,
                     .kind = AccessKind(what & 0xff),
                     .bytes = static_cast<u8>(what >> 8)});
}

u8* Replay::translate(Context& context, u64 address, MmuAccess) {
    Replay& replay = of(context);
    if (replay.ends_ || replay.is_failing()) {
        context.fault = *replay.fault_;
        return nullptr;
    }
    const Access& now = replay.done_.back();
    // Of an access across two pages, the second part is asked for by itself.
    return now.kind == AccessKind::result ? replay.bytes_ : replay.bytes_ + (address - now.address) % 8;
}

}  // namespace kiln::abi

namespace kiln::abi::helpers {

u64 replay_access(Context& context, u64 a, u64 b) {
    Replay::of(context).expect(a, b);
    return 0;
}

}  // namespace kiln::abi::helpers
