#include "run/code_finder.h"

#include <algorithm>
#include <cstring>

namespace kiln::run {
namespace {

using ir::Op;

// A table's entries lead into the function that it belongs to; nearly none is longer.
constexpr u64 farthest_entry = u64{256} << 10;
constexpr u64 most_entries = 4096;

/// What is known of a value: nothing; that it is a constant; and that it is only a step towards another one.
enum Kind : u8 { unknown, constant, step };

}  // namespace

CodeFinder::CodeFinder(const abi::Frontend& frontend, const abi::LiftOptions& options, const KnownCode& known)
    : frontend_(frontend), options_(options), known_(known), function_(frontend.env()) {}

bool CodeFinder::is_code(u64 address) const {
    const auto next = std::ranges::upper_bound(known_.code, GuestAddr(address), {}, &abi::CodeRange::begin);
    return next != known_.code.begin() && address - std::prev(next)->begin.raw < std::prev(next)->bytes;
}

void CodeFinder::found(u64 address) {
    constexpr u64 instruction_alignment = 2;
    if (address % instruction_alignment == 0 && is_code(address) && blocks_.insert(address).second)
        unseen_.push_back(address);
}

std::vector<GuestAddr> CodeFinder::find(abi::CodeSource& code, const std::function<void()>& begin_unit) {
    for (GuestAddr start : known_.starts) found(start.raw);
    abi::Lifted lifted;
    while (!unseen_.empty()) {
        const u64 block = unseen_.back();
        unseen_.pop_back();
        begin_unit();
        frontend_.lift(function_, GuestAddr(block), code, options_, lifted);
        if (lifted.fetch_failed || is_no_code(lifted)) {
            blocks_.erase(block);
            continue;
        }
        follow_exits();
        follow_constants(block);
    }
    std::vector<GuestAddr> blocks;
    blocks.reserve(blocks_.size());
    for (u64 block : blocks_) blocks.push_back(GuestAddr(block));
    std::ranges::sort(blocks);
    return blocks;
}

// Data, or what stands behind a call that does not return.
bool CodeFinder::is_no_code(const abi::Lifted& lifted) const {
    const ir::ValueId last = function_[ir::BlockId(0)].last;
    return lifted.instructions <= 1 && function_[last].op == Op::trap &&
           function_[last].trap() == ir::Trap::illegal;
}

void CodeFinder::follow_exits() {
    for (u32 b = 0; b < function_.block_count(); ++b) {
        const ir::ValueId last = function_[ir::BlockId(b)].last;
        if (last == ir::ValueId::none) continue;
        const ir::Inst& exit = function_[last];
        const bool jumps = exit.op == Op::goto_pc || exit.op == Op::goto_ind;
        if (exit.op == Op::goto_pc || exit.op == Op::syscall || exit.op == Op::sync_code) found(exit.imm);
        if (jumps && exit.hint() == ir::Hint::call) found(exit.imm2);
    }
}

void CodeFinder::follow_constants(u64 block) {
    constants_.assign(function_.value_count(), 0);
    kinds_.assign(function_.value_count(), unknown);
    for (u32 b = 0; b < function_.block_count(); ++b)
        function_.for_each(ir::BlockId(b), [&](ir::ValueId id, const ir::Inst& inst) {
            if (inst.type != ir::Type::i64) return;
            if (inst.op == Op::iconst) {
                constants_[index(id)] = inst.imm;
                kinds_[index(id)] = constant;
            } else if (inst.op == Op::add) {
                const u32 a = index(inst.args[0]), c = index(inst.args[1]);
                if (kinds_[a] == unknown || kinds_[c] == unknown) return;
                constants_[index(id)] = constants_[a] + constants_[c];
                kinds_[index(id)] = constant;
                kinds_[a] = kinds_[c] = step;
            }
        });
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
        if (kinds_[i] != constant) continue;
        if (is_code(constants_[i]))
            found(constants_[i]);
        else
            follow_table(constants_[i], block);
    }
}

// Entries are 32-bit distances from the table, or addresses.
void CodeFinder::follow_table(u64 table, u64 block) {
    if (table % sizeof(u32) != 0 || !tables_.insert(table).second) return;
    const auto leads_on = [&](u64 target) {
        return target - (block - farthest_entry) < 2 * farthest_entry && is_code(target);
    };
    const auto read = [&]<class Entry>(Entry& entry, u64 number) {
        return known_.read(GuestAddr(table + number * sizeof entry),
                           {reinterpret_cast<u8*>(&entry), sizeof entry});
    };
    i32 distance;
    for (u64 i = 0; i < most_entries && read(distance, i); ++i) {
        const u64 target = table + static_cast<u64>(i64{distance});
        if (!leads_on(target)) break;
        found(target);
    }
    u64 target;
    for (u64 i = 0; i < most_entries && read(target, i) && leads_on(target); ++i) found(target);
}

}  // namespace kiln::run
