#include "run/compiled_units.h"

#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "abi/guest_access.h"
#include "base/check.h"
#include "base/counters.h"
#include "base/host_fp.h"
#include "mem/fault.h"

namespace kiln::run {
namespace {

std::atomic<CompiledUnits*> the_units{nullptr};

/// ucontext's index of a general register, by the number x86-64 encodes it with.
constexpr int greg_of[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                           REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

}  // namespace

// ---- Units ----

namespace {

// What a unit begins with: an instruction of 5 bytes (abi/unit_code.h), or a jump in its place.
constexpr u32 entry_bytes = 5;
constexpr u64 entry_mask = (u64{1} << 8 * entry_bytes) - 1;
constexpr u8 jump_opcode = 0xe9;
constexpr u64 entry_nothing = 0x44'1f0f;  // nop dword [rax + rax + 0]

constexpr const char* no_counters = "no room for more counters of entries";

}  // namespace

CompiledUnit::~CompiledUnit() {
    if (code_bytes_ != 0) units_.memory_->free(offset_, code_bytes_);
}

const void* CompiledUnit::entry() const { return units_.memory_->at(offset_); }

void CompiledUnit::set_entry(u32 entry, u64 instruction) {
    mem::CodeMemory& memory = *units_.memory_;
    u64 first;
    std::memcpy(&first, memory.at(offset_ + entry), sizeof first);
    memory.patch(offset_ + entry, (first & ~entry_mask) | instruction);
}

void CompiledUnit::forward(u32 entry, u32 lookup, const void* target) {
    const u32 to = target != nullptr ? units_.memory_->offset_of(target) : offset_ + lookup;
    const u32 distance = to - (offset_ + entry + entry_bytes);
    set_entry(entry, u64{distance} << 8 | jump_opcode);
}

void CompiledUnit::resume(u32 entry) { set_entry(entry, entry_nothing); }

void CompiledUnit::unlink_stale() {
    mem::CodeMemory& memory = *units_.memory_;
    std::erase_if(links_, [&](const Link& link) {
        u32 distance;
        std::memcpy(&distance, memory.at(link.offset), sizeof distance);
        if (*memory.at(link.offset + 4 + distance) != jump_opcode) return false;
        memory.patch(link.offset, link.unlinked);
        return true;
    });
}

Result<std::unique_ptr<CompiledUnits>> CompiledUnits::create(const abi::StubCode& stubs,
                                                             std::span<const abi::PinnedRegister> pinned,
                                                             u32 pc_offset, u64 bytes) {
    auto memory = mem::CodeMemory::create(bytes);
    if (!memory) return tl::unexpected(memory.error());
    return std::unique_ptr<CompiledUnits>(new CompiledUnits(stubs, pinned, pc_offset, std::move(*memory)));
}

CompiledUnits::CompiledUnits(const abi::StubCode& stubs, std::span<const abi::PinnedRegister> pinned,
                             u32 pc_offset, std::unique_ptr<mem::CodeMemory> memory)
    : stubs_(stubs),
      pinned_(pinned.begin(), pinned.end()),
      pc_offset_(pc_offset),
      memory_(std::move(memory)),
      counters_(nullptr, [](i32* counters) { munmap(counters, most_counters * sizeof(i32)); }) {
    void* const counters = mmap(nullptr, most_counters * sizeof(i32), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (counters != MAP_FAILED) counters_.reset(static_cast<i32*>(counters));
    stubs_at_ = *memory_->allocate(static_cast<u32>(stubs.bytes.size()), nullptr);
    memory_->write(stubs_at_, stubs.bytes);
    CompiledUnits* none = nullptr;
    KILN_CHECK(the_units.compare_exchange_strong(none, this));
    mem::set_unit_recovery(&CompiledUnits::recover);
}

CompiledUnits::~CompiledUnits() {
    mem::set_unit_recovery(nullptr);
    the_units = nullptr;
}

Result<std::unique_ptr<CompiledUnit>> CompiledUnits::reserve(u32 code_bytes) {
    std::unique_ptr<CompiledUnit> unit(new CompiledUnit(*this));
    const auto offset = memory_->allocate(code_bytes, unit.get());
    if (!offset) return fail("no room for more translated code", ENOMEM);
    unit->offset_ = *offset;
    unit->code_bytes_ = code_bytes;
    return unit;
}

void CompiledUnits::set_distance(u32 offset, abi::Stub stub) {
    u32 to = 0;
    switch (stub) {
        case abi::Stub::leave: to = stubs_.leave; break;
        case abi::Stub::lookup: to = stubs_.lookup; break;
        case abi::Stub::call: to = stubs_.call; break;
    }
    const u32 distance = stubs_at_ + to - (offset + 4);
    memory_->write(offset, {reinterpret_cast<const u8*>(&distance), sizeof distance});
}

std::optional<u32> CompiledUnits::take_counters(u32 count) {
    u32 first = counters_used_.load(std::memory_order_relaxed);
    do {
        if (counters_ == nullptr || count > most_counters - first) return std::nullopt;
    } while (!counters_used_.compare_exchange_weak(first, first + count, std::memory_order_relaxed));
    return first;
}

Result<std::unique_ptr<CompiledUnit>> CompiledUnits::install(const abi::UnitCode& code) {
    auto unit = reserve(static_cast<u32>(code.bytes.size()));
    if (!unit) return unit;
    const u32 offset = (*unit)->offset_;
    (*unit)->forward_ = code.forward;
    (*unit)->fault_points_ = code.fault_points;
    if (!code.frame_values.empty())
        (*unit)->frame_values_ = std::make_unique<const std::vector<abi::FrameValue>>(code.frame_values);
    (*unit)->frames_ = code.frames;
    (*unit)->places_ = code.places;
    memory_->write(offset, code.bytes);
    if (code.counter_site != 0) {
        const auto counter = take_counters(1);
        if (!counter) return fail(no_counters, ENOMEM);
        (*unit)->counter_ = *counter;
        const u32 at = *counter * sizeof(i32);
        memory_->write(offset + code.counter_site, {reinterpret_cast<const u8*>(&at), sizeof at});
    }
    for (const abi::UnitRelocation& relocation : code.relocations)
        set_distance(offset + relocation.offset, relocation.stub);
    return unit;
}

Result<std::unique_ptr<CompiledUnit>> CompiledUnits::install(abi::Chapter& chapter, const FillCode& fill,
                                                             i32 entries, u32& first_counter) {
    const auto counters = take_counters(static_cast<u32>(chapter.units.size()));
    if (!counters) return fail(no_counters, ENOMEM);
    auto unit = reserve(chapter.code_bytes);
    if (!unit) return unit;
    const u32 offset = (*unit)->offset_;
    const std::span<u8> place = memory_->writable(offset, chapter.code_bytes);
    if (!fill(place)) return fail("the code cannot be read");
    for (u32 stub = 0; stub < abi::stub_jumps; ++stub)
        set_distance(offset + stub * abi::stub_jump_bytes + 1, static_cast<abi::Stub>(stub));
    first_counter = *counters;
    u32 next = first_counter;
    for (const abi::StoredUnit& stored : chapter.units) {
        const u32 number = next++;
        if (stored.counter_site == 0) continue;
        const u32 at = number * sizeof(i32);
        std::memcpy(place.data() + stored.counter_site, &at, sizeof at);
        *counter(number) = entries;
    }
    (*unit)->fault_points_ = std::move(chapter.fault_points);
    return unit;
}

// UndefinedBehaviorSanitizer would look for the function's type in front of it, where there may be no memory.
[[clang::no_sanitize("function")]]
abi::ExitReason CompiledUnits::run(const void* entry, abi::Context& context) const {
    using Enter = u32 (*)(const void*, abi::Context*);
    const auto enter = reinterpret_cast<Enter>(reinterpret_cast<u64>(memory_->at(stubs_at_ + stubs_.enter)));
    host_fp::reset_environment();
    const auto reason = static_cast<abi::ExitReason>(enter(entry, &context));
    context.fp_flags |= host_fp::read_flags();
    return reason;
}

void CompiledUnits::prepare_thread(abi::Context& context) const {
    context.entry_counters = reinterpret_cast<u8*>(counters_.get());
    if (context.memory != nullptr)
        KILN_CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, reinterpret_cast<u64>(context.memory)) == 0);
}

void CompiledUnits::link(const void* site, const void* entry) {
    const u32 offset = memory_->offset_of(site);
    if (!memory_->is_worth_writing(offset)) return;
    auto& unit = *static_cast<CompiledUnit*>(memory_->find(site));
    // Two threads may have left by the same exit.
    if (std::ranges::find(unit.links_, offset, &CompiledUnit::Link::offset) == unit.links_.end()) {
        u32 unlinked;
        std::memcpy(&unlinked, site, sizeof unlinked);
        unit.links_.push_back({offset, unlinked});
    }
    memory_->patch(offset, memory_->offset_of(entry) - (offset + 4));
}

// ---- Faults and signals ----

bool CompiledUnits::registers_in_force(const void* pc) const {
    if (!memory_->contains(pc)) return false;
    const u32 offset = memory_->offset_of(pc) - stubs_at_;
    return (offset >= stubs_.entered && offset < stubs_.leave_saved) || offset >= stubs_.call;
}

bool CompiledUnits::recover(int signal, const siginfo_t* info, void* ucontext) {
    const CompiledUnits* const units = the_units.load(std::memory_order_acquire);
    if (units == nullptr) return false;
    mcontext_t& machine = static_cast<ucontext_t*>(ucontext)->uc_mcontext;
    const auto* const pc = reinterpret_cast<const u8*>(machine.gregs[REG_RIP]);
    const auto* const unit = static_cast<const CompiledUnit*>(units->memory_->find(pc));
    if (unit == nullptr) return false;
    const u32 offset = units->memory_->offset_of(pc) - unit->offset_;
    const auto& points = unit->fault_points_;
    const auto point = std::lower_bound(points.begin(), points.end(), offset,
                                        [](const abi::FaultPoint& p, u32 at) { return p.offset < at; });
    if (point == points.end() || point->offset != offset) return false;

    const auto reg = [&](u8 number) { return static_cast<u64>(machine.gregs[greg_of[number]]); };
    u8* const state = reinterpret_cast<u8*>(reg(units->stubs_.context_register)) - units->stubs_.context_bias;
    auto& context = *reinterpret_cast<abi::Context*>(state);
    const auto slot = [&](u32 at) -> u64& { return *reinterpret_cast<u64*>(state + at); };
    for (const abi::PinnedRegister& p : units->pinned_) {
        if (p.number < 16)
            slot(p.offset) = reg(p.number);
        else
            std::memcpy(state + p.offset, &machine.fpregs->_xmm[p.number - 16], 8);
    }
    if (unit->frame_values_ != nullptr)
        for (const abi::FrameValue& value : *unit->frame_values_)
            if (value.offset == offset) slot(value.slot) = slot(value.word);
    if (!unit->frames_.empty()) {
        count(Counter::region_faults);
        // All of them are read before any is written: one may be in the slot of another.
        const abi::PlaceRange frame = unit->frames_[static_cast<std::size_t>(point - points.begin())];
        u64 values[abi::max_frame];
        for (u32 i = 0; i < frame.count; ++i) {
            const abi::StatePlace& place = unit->places_[frame.begin + i];
            if (place.place < 16)
                values[i] = reg(place.place);
            else if (place.place < 32)
                std::memcpy(&values[i], &machine.fpregs->_xmm[place.place - 16], 8);
            else
                values[i] = place.place == abi::StatePlace::constant ? place.value
                                                                     : slot(static_cast<u32>(place.value));
        }
        for (u32 i = 0; i < frame.count; ++i) slot(unit->places_[frame.begin + i].slot) = values[i];
    }
    slot(units->pc_offset_) = point->pc.raw;
    context.budget = static_cast<i64>(reg(units->stubs_.budget_register)) - point->retired;
    u64 address = static_cast<u64>(i64{point->disp});
    if (point->base != abi::FaultPoint::no_register) address += reg(point->base);
    if (point->index != abi::FaultPoint::no_register) address += reg(point->index) << point->scale;
    mem::note_fault(signal, info);
    context.fault = abi::faulted_at(GuestAddr(address), context.memory);
    machine.gregs[REG_RDX] = static_cast<greg_t>(abi::ExitReason::fault);
    machine.gregs[REG_RIP] =
        reinterpret_cast<greg_t>(units->memory_->at(units->stubs_at_ + units->stubs_.leave_saved));
    return true;
}

void CompiledUnits::request_attention(abi::Context& context, void* ucontext) {
    const CompiledUnits* const units = the_units.load(std::memory_order_acquire);
    mcontext_t& machine = static_cast<ucontext_t*>(ucontext)->uc_mcontext;
    if (units == nullptr || !units->registers_in_force(reinterpret_cast<const void*>(machine.gregs[REG_RIP])))
        return abi::request_attention(context);
    greg_t& budget = machine.gregs[greg_of[units->stubs_.budget_register]];
    context.budget = budget;
    abi::request_attention(context);
    budget = context.budget;
}

}  // namespace kiln::run
