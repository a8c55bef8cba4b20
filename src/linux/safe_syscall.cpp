// The stub itself, in assembly because its instruction addresses are its contract.
#include "linux/safe_syscall.h"

#include "linux/syscalls.h"

static_assert(kiln::user::restart_always == -513, "the stub below returns this number");

// rdi captured, rsi number, rdx rcx r8 r9 and two stack words: the arguments. The kernel takes them in
// rdi rsi rdx r10 r8 r9, the number in rax, and spoils rcx and r11.
asm(R"(
    .pushsection .text
    .globl kiln_safe_syscall
    .hidden kiln_safe_syscall, kiln_safe_syscall_begin, kiln_safe_syscall_end, kiln_safe_syscall_leave
    .type kiln_safe_syscall, @function
    .p2align 4
kiln_safe_syscall:
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    mov %rdi, %rbx
    mov %rsi, %rax
    mov %rdx, %rdi
    mov %rcx, %rsi
    mov %r8, %rdx
    mov %r9, %r10
    mov 16(%rsp), %r8
    mov 24(%rsp), %r9
    .globl kiln_safe_syscall_begin
kiln_safe_syscall_begin:
    cmpl $0, (%rbx)
    jne kiln_safe_syscall_leave
    syscall
    .globl kiln_safe_syscall_end
kiln_safe_syscall_end:
    pop %rbx
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_restore_state
    .globl kiln_safe_syscall_leave
kiln_safe_syscall_leave:
    mov $-513, %rax
    pop %rbx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size kiln_safe_syscall, . - kiln_safe_syscall
    .popsection
)");

extern "C" const char kiln_safe_syscall_begin[], kiln_safe_syscall_end[], kiln_safe_syscall_leave[];

namespace kiln::user {

u64 leave_safe_syscall(u64 host_pc) {
    u64 begin = reinterpret_cast<u64>(kiln_safe_syscall_begin),
        end = reinterpret_cast<u64>(kiln_safe_syscall_end);
    return host_pc >= begin && host_pc < end ? reinterpret_cast<u64>(kiln_safe_syscall_leave) : host_pc;
}

i64 host_syscall(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
    static const volatile int never = 0;
    return kiln_safe_syscall(&never, number, a, b, c, d, e, f);
}

}  // namespace kiln::user
