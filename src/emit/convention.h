// The calling convention of units: which host register holds what, in every unit of every compiling tier, so
// that a link between units is a jump.
//
//   r15          the context, biased so that the integer state slots have short displacements
//   r14          the budget (abi::Context::budget), while translated code runs
//   pinned       one hot state slot each (ir::StateLayout::hot_*): the slot's memory is stale meanwhile
//   temporaries  free within a unit, dead between units
//   rsp          the host's stack; units push nothing
//
// MXCSR has all exceptions masked; raised ones gather in it. It rounds as the latest unit did that rounds dynamically
// (select.h, rounding_disp), to nearest before the first and outside units. GS holds the address of guest
// address 0 unless that is 0 itself: then no prefix is emitted.
#pragma once

#include <array>

#include "abi/context.h"

namespace kiln::emit {

/// A register: 0 to 15 the general ones in the order of their encoding, 16 to 31 the vector ones, above that
/// virtual ones, which the allocator places.
enum class Reg : u16 { none = 0xffff };
constexpr u16 number(Reg r) { return static_cast<u16>(r); }
constexpr Reg gp(unsigned n) { return Reg(n); }
constexpr Reg xmm(unsigned n) { return Reg(16 + n); }
inline constexpr unsigned physical_registers = 32;
constexpr bool is_physical(Reg r) { return number(r) < physical_registers; }
/// A physical register of that class.
constexpr bool is_general(Reg r) { return number(r) < 16; }
constexpr bool is_vector(Reg r) { return is_physical(r) && !is_general(r); }

inline constexpr Reg rax = gp(0), rcx = gp(1), rdx = gp(2), rbx = gp(3), rsp = gp(4), rbp = gp(5),
                     rsi = gp(6), rdi = gp(7), r8 = gp(8), r9 = gp(9), r10 = gp(10), r11 = gp(11),
                     r12 = gp(12), r13 = gp(13), r14 = gp(14), r15 = gp(15);

inline constexpr Reg context_register = r15;
inline constexpr Reg budget_register = r14;
/// context_register points this far into the context, in bytes.
inline constexpr i32 context_bias = 256;

/// For the layout's hot integer slots, in order; those with short encodings first.
inline constexpr std::array pinned_integer = {rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12};
inline constexpr std::array pinned_fp = {xmm(4),  xmm(5),  xmm(6),  xmm(7),  xmm(8), xmm(9),
                                         xmm(10), xmm(11), xmm(12), xmm(13), xmm(14)};
inline constexpr std::array temporaries_integer = {rax, rcx, rdx, r13};
inline constexpr std::array temporaries_fp = {xmm(0), xmm(1), xmm(2), xmm(3)};
/// Belongs to encoding alone.
inline constexpr Reg scratch_fp = xmm(15);

}  // namespace kiln::emit
