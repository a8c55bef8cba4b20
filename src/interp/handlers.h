// Which handler executes what. Flattening asks here; the handlers themselves are in handlers_*.cpp, one file
// a family. A null result means that there is no handler for the combination.
#pragma once

#include "interp/code.h"
#include "ir/op.h"

namespace kiln::interp {

/// How the last operand of a handler is given.
enum class Form : u8 {
    word,      // Code::b is a word
    constant,  // Code::imm is the value
};

/// What is done with a narrow integer result before it is written as a word.
enum class Extend : u8 {
    zero,  // the bits above are zero
    sign,  // the sign fills 64 bits
};

// dst = op(a, b); div and rem: c is the DivRule.
Handler binary_handler(ir::Op op, ir::Type type, Form form, Extend extend);
// dst = op(a)
Handler unary_handler(ir::Op op, ir::Type type);
// dst = a compared to b
Handler compare_handler(ir::Cond cond, ir::Type type, Form form);
// dst = a sign-extended; c: bits of `from`, imm: the mask of `to`
Handler sign_extend_handler(ir::Type from, ir::Type to);
// dst = a; of values of 16 bytes, both words
Handler move_handler(ir::Type type = ir::Type::i64);
// dst = imm
Handler constant_handler();
// dst = word a bit 0 ? b : c
Handler select_handler(ir::Type type);

// dst = op(a, b, c) on vectors; vinsert, vextract: imm is the lane's number. `cond` is of vcmp.
Handler vector_handler(ir::Op op, ir::Lane lane, ir::Cond cond);

// A fault, which goes to site imm2, unless a + imm is a multiple of c: before ordered loads and stores.
Handler check_aligned_handler();
// dst = guest memory at a + imm; a fault goes to site imm2. Floats narrower than 64 bits are boxed.
Handler load_handler(ir::Type type, Extend extend);
// guest memory at a + imm = b
Handler store_handler(ir::Type type, ir::Order order);
// dst = old value at a, replaced by rmw(old, b)
Handler rmw_handler(ir::Rmw rmw, ir::Type type);
// dst = old value at a, replaced by c if it was b
Handler cas_handler(ir::Type type);
Handler fence_handler();

// Accesses in other spaces (handlers_spaces.cpp).
// dst = the guest address at which flat memory has what is at host address a
Handler host_address_handler();
// dst = the same for guest virtual address a, for a write of one location; a fault goes to site imm2
Handler mmu_address_handler();
// dst (and the word behind it) = c bytes at guest virtual address a + imm, zeros above; site imm2
Handler mmu_load_handler();
// c bytes at guest virtual address a + imm = b (and the word behind it); site imm2
Handler mmu_store_handler();

// dst = op(a, b[, c]); imm: the rounding (an ir::Rounding), b's word for the rounding slot in imm >> 16; site
// imm2
Handler fp_handler(ir::Op op, ir::Type type);
// dst = a compared to b
Handler fp_compare_handler(ir::FpCond cond, ir::Type type);
// dst = min or max
Handler fp_min_max_handler(ir::Op op, ir::Type type, ir::MinMax rule);
// dst = a, converted; as fp_handler
Handler fp_convert_handler(ir::Op op, ir::Type from, ir::Type to);
// dst = a rounded to integral; as fp_handler, c: the Exactness
Handler fp_round_handler(ir::Type type);
Handler fp_get_flags_handler();
Handler fp_set_flags_handler();
// dst = a boxed float: from the low bits of a (box), or what a boxed operand reads as (rebox)
Handler box_handler(ir::Type type);
Handler rebox_handler(ir::Type type);

// call imm(context, a, b), result to dst
Handler call_handler(bool has_result);
// leave by site imm2 unless word a bit 0
Handler guard_handler();
// budget -= imm
Handler count_handler();
// leave by site imm2 if the budget is negative
Handler poll_handler();

// continue at cell imm2
Handler branch_handler();
// if word a bit 0: continue at cell imm2, else at the next
Handler branch_if_handler();
// if a compares to b (or imm): continue at cell imm2, else at the next
Handler compare_branch_handler(ir::Cond cond, ir::Type type, Form form);
// if a compares to b (or imm): leave by the exit cell that follows, else continue behind it
Handler compare_exit_handler(ir::Cond cond, ir::Type type, Form form);
// the same on word a bit 0
Handler exit_if_handler();

// Exit cells. c: guest instructions completed by then; b: word of the pc slot.
// to guest address imm; imm2: the cell to go on at once linked, until then 0
Handler exit_direct_handler();
// to the guest address that is word a and imm
Handler exit_indirect_handler();
// with a reason, at guest address imm
Handler leave_handler(abi::ExitReason reason);
// stands in the entry cell of a unit that counts its entries: takes one of those left in the header cell's c and does
// what its `run` does, or leaves for its imm when there are none
Handler counting_entry_handler();
// stands in the entry cell of a unit that must not run any more: go on at the header cell's imm2, or leave
// for its imm
Handler forwarding_entry_handler();

}  // namespace kiln::interp
