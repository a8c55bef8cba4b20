// The test program: ELF headers, the code around the streams, and the blocks.
//
// A stream may use every register but x0 and its anchor, which is the one way to its block. So for each
// register that may be an anchor there is code that loads all others through it (enter) and code that stores
// them (leave); enter needs one register more to jump through, and the stream's head loads that one.
#include "fuzz/riscv64/program.h"

#include <elf.h>
#include <signal.h>

#include "fuzz/riscv64/assembler.h"

namespace kiln::fuzz {
namespace {

using riscv64::InstId;

/// System call numbers of riscv64.
enum : unsigned { call_write = 64, call_exit = 93, call_sigaltstack = 132, call_rt_sigaction = 134 };

/// Variables of the program, in the runtime segment.
struct Runtime {
    u64 current;      ///< the block that is run
    u64 reservation;  ///< stored to, to end a reservation
    struct {
        u64 handler, flags, mask;
    } action;
    struct {
        u64 pointer, flags, size;
    } stack;
};
/// At an address that no stream makes by chance: with sp at the stack's lowest byte qemu 7.2 takes the stack for in
/// use and runs out of it, where to the kernel the stack is free.
constexpr u64 signal_stack = Layout::runtime + Layout::page, signal_stack_bytes = 0x4000;
constexpr u64 variable(size_t offset) { return Layout::runtime + offset; }
constexpr u64 current_variable = variable(offsetof(Runtime, current));

constexpr u32 anchor_offset = offsetof(Block, window) + window_bytes / 2;
/// An offset in the block, from the anchor.
constexpr i64 from_anchor(size_t offset) { return static_cast<i64>(offset) - anchor_offset; }
constexpr i64 x_slot(unsigned reg) { return from_anchor(offsetof(Block, x) + 8 * reg); }
constexpr i64 f_slot(unsigned reg) { return from_anchor(offsetof(Block, f) + 8 * reg); }

/// The register that the head of a stream with this anchor loads.
constexpr unsigned late_register(unsigned anchor) { return anchor == 31 ? 30 : 31; }

constexpr unsigned zero = 0, ra = 1, t0 = 5, t1 = 6, t2 = 7, a0 = 10, a1 = 11, a2 = 12, a3 = 13;
constexpr i32 fcsr_number = 3;

void emit_enter(Assembler& as, unsigned anchor) {
    as.immediate(InstId::addi, anchor, t0, anchor_offset);
    const unsigned late = late_register(anchor);
    as.immediate(InstId::ld, late, anchor, from_anchor(offsetof(Block, fcsr)));
    as.immediate(InstId::csrrw, zero, late, fcsr_number);
    for (unsigned reg = 0; reg < 32; reg++) as.immediate(InstId::fld, reg, anchor, f_slot(reg));
    for (unsigned reg = 1; reg < 32; reg++)
        if (reg != anchor && reg != late) as.immediate(InstId::ld, reg, anchor, x_slot(reg));
    as.immediate(InstId::ld, late, anchor, from_anchor(offsetof(Block, head)));
    as.immediate(InstId::jalr, zero, late, 0);
}

void emit_leave(Assembler& as, unsigned anchor, u64 next) {
    for (unsigned reg = 1; reg < 32; reg++) as.store(InstId::sd, reg, x_slot(reg), anchor);
    const unsigned free = late_register(anchor);
    as.immediate(InstId::csrrs, free, zero, fcsr_number);
    as.store(InstId::sd, free, from_anchor(offsetof(Block, fcsr)), anchor);
    for (unsigned reg = 0; reg < 32; reg++) as.store(InstId::fsd, reg, f_slot(reg), anchor);
    as.load_number(free, Layout::edge + Layout::page - Layout::edge_bytes);
    const unsigned value = anchor == 29 ? 28 : 29;
    for (unsigned i = 0; i < std::size(Block{}.edge); i++) {
        as.immediate(InstId::ld, value, free, 8 * i);
        as.store(InstId::sd, value, from_anchor(offsetof(Block, edge) + 8 * i), anchor);
        as.store(InstId::sd, zero, 8 * i, free);
    }
    as.jump(next);
}

/// Notes the signal and goes on at leave, with the interrupted registers.
void emit_handler(Assembler& as, u64 exit) {
    // Offsets in riscv64's siginfo and ucontext: pc, x1 to x31, f0 to f31, fcsr.
    constexpr i64 code_offset = 8, address_offset = 16, context_pc = 176, context_fcsr = context_pc + 8 * 64;
    as.load_number(t0, current_variable);
    as.immediate(InstId::ld, t0, t0, 0);
    as.immediate(InstId::ld, t1, t0, offsetof(Block, signal));
    // A second signal in one run came from this program's own code.
    as.branch(InstId::bne, t1, zero, exit);
    as.store(InstId::sd, a0, offsetof(Block, signal), t0);
    as.immediate(InstId::lw, t1, a1, code_offset);
    as.store(InstId::sd, t1, offsetof(Block, signal_code), t0);
    as.immediate(InstId::ld, t1, a1, address_offset);
    as.store(InstId::sd, t1, offsetof(Block, signal_address), t0);
    as.immediate(InstId::ld, t1, a2, context_pc);
    as.store(InstId::sd, t1, offsetof(Block, signal_pc), t0);
    const auto mix = [&] {
        as.immediate(InstId::slli, a3, t2, 1);
        as.immediate(InstId::srli, t2, t2, 63);
        as.registers(InstId::or_, t2, t2, a3);
        as.registers(InstId::xor_, t2, t2, t1);
    };
    as.immediate(InstId::addi, t2, zero, 0);
    for (i64 at = context_pc; at < context_fcsr; at += 8) {
        as.immediate(InstId::ld, t1, a2, at);
        mix();
    }
    as.immediate(InstId::lwu, t1, a2, context_fcsr);
    mix();
    as.store(InstId::sd, t2, offsetof(Block, context_hash), t0);
    as.immediate(InstId::ld, t1, t0, offsetof(Block, leave));
    as.store(InstId::sd, t1, context_pc, a2);
    as.immediate(InstId::jalr, zero, ra, 0);
}

/// Writes `bytes` at `address` to standard output, in as many pieces as it takes.
void emit_write(Assembler& as, u64 address, u64 bytes, u64 failed) {
    as.load_number(a1, address);
    as.load_number(a2, bytes);
    const u64 again = as.here();
    as.immediate(InstId::addi, a0, zero, 1);
    as.ecall(call_write);
    as.branch(InstId::bge, zero, a0, failed);
    as.registers(InstId::add, a1, a1, a0);
    as.registers(InstId::sub, a2, a2, a0);
    as.branch(InstId::bne, a2, zero, again);
}

struct Entries {
    u64 start, handler;
    u64 enter[32], leave[32];
};

Entries emit_runtime(Assembler& as, size_t runs) {
    Entries entries{};
    const u64 failed = as.here();
    as.immediate(InstId::addi, a0, zero, 1);
    as.ecall(call_exit);

    const u64 finish = as.here();
    emit_write(as, Layout::edge, Layout::page, failed);
    emit_write(as, Layout::blocks, runs * sizeof(Block), failed);
    as.immediate(InstId::addi, a0, zero, 0);
    as.ecall(call_exit);

    const u64 next = as.here();
    as.load_number(t1, current_variable);
    as.immediate(InstId::ld, t0, t1, 0);
    as.immediate(InstId::addi, t0, t0, sizeof(Block));
    as.store(InstId::sd, t0, 0, t1);
    const u64 begin_run = as.here();
    as.load_number(t2, Layout::blocks + runs * sizeof(Block));
    as.branch(InstId::beq, t0, t2, finish);
    as.immediate(InstId::addi, t1, t1, offsetof(Runtime, reservation));
    as.registers(InstId::sc_d, zero, t1, zero);
    as.immediate(InstId::ld, t1, t0, offsetof(Block, enter));
    as.immediate(InstId::jalr, zero, t1, 0);

    for (unsigned anchor = 1; anchor < 32; anchor++) {
        entries.enter[anchor] = as.here();
        emit_enter(as, anchor);
        entries.leave[anchor] = as.here();
        emit_leave(as, anchor, next);
    }
    // Within a branch's reach of the handler.
    const u64 give_up = as.here();
    as.jump(failed);
    entries.handler = as.here();
    emit_handler(as, give_up);

    entries.start = as.here();
    as.load_number(a0, variable(offsetof(Runtime, stack)));
    as.immediate(InstId::addi, a1, zero, 0);
    as.ecall(call_sigaltstack);
    for (int signal : {SIGILL, SIGTRAP, SIGBUS, SIGSEGV}) {
        as.immediate(InstId::addi, a0, zero, signal);
        as.load_number(a1, variable(offsetof(Runtime, action)));
        as.immediate(InstId::addi, a2, zero, 0);
        as.immediate(InstId::addi, a3, zero, 8);
        as.ecall(call_rt_sigaction);
    }
    as.load_number(t1, current_variable);
    as.immediate(InstId::ld, t0, t1, 0);
    as.jump(begin_run);
    return entries;
}

/// Collects a file's segments, each at a page's border.
class ElfFile {
  public:
    /// Gives the segment's offset in the file.
    u64 add(u64 address, std::string_view bytes, u64 memory_bytes, u32 flags) {
        contents_.resize((contents_.size() + Layout::page - 1) & ~(Layout::page - 1));
        rows_.push_back({.p_type = PT_LOAD,
                         .p_flags = flags,
                         .p_offset = Layout::page + contents_.size(),
                         .p_vaddr = address,
                         .p_paddr = address,
                         .p_filesz = bytes.size(),
                         .p_memsz = memory_bytes,
                         .p_align = Layout::page});
        contents_ += bytes;
        return rows_.back().p_offset;
    }
    std::string bytes(u64 entry) const {
        Elf64_Ehdr header{};
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_machine = EM_RISCV;
        header.e_version = EV_CURRENT;
        header.e_entry = entry;
        header.e_phoff = sizeof header;
        header.e_flags = EF_RISCV_RVC | EF_RISCV_FLOAT_ABI_DOUBLE;
        header.e_ehsize = sizeof header;
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_phnum = static_cast<u16>(rows_.size());
        std::string file(reinterpret_cast<const char*>(&header), sizeof header);
        file.append(reinterpret_cast<const char*>(rows_.data()), rows_.size() * sizeof(Elf64_Phdr));
        file.resize(Layout::page);
        return file + contents_;
    }

  private:
    std::vector<Elf64_Phdr> rows_;
    std::string contents_;
};

template <class T>
std::string_view bytes_of(const T& object) {
    return {reinterpret_cast<const char*>(&object), sizeof object};
}

Block initial_block(const Stream& stream, const Input& input, size_t run, const Entries& entries, u64 head) {
    Block block{};
    std::copy(input.x.begin(), input.x.end(), block.x);
    std::copy(input.f.begin(), input.f.end(), block.f);
    std::copy(input.window.begin(), input.window.end(), block.window);
    block.fcsr = input.fcsr;
    const u64 middle = Layout::blocks + run * sizeof(Block) + anchor_offset;
    for (const Pointer& pointer : stream.pointers)
        block.x[pointer.reg] = middle + static_cast<u64>(i64{pointer.delta});
    block.enter = entries.enter[stream.anchor()];
    block.leave = entries.leave[stream.anchor()];
    block.head = head;
    return block;
}

}  // namespace

Program build_program(const std::vector<Stream>& streams) {
    KILN_CHECK(streams.size() <= max_streams);
    Program program;
    for (size_t stream = 0; stream < streams.size(); stream++)
        for (size_t input = 0; input < streams[stream].inputs.size(); input++)
            program.runs.push_back({stream, input});

    Assembler as(Layout::text);
    const Entries entries = emit_runtime(as, program.runs.size());
    std::vector<u64> heads;
    for (const Stream& stream : streams) {
        heads.push_back(as.here());
        const unsigned late = late_register(stream.anchor());
        as.immediate(InstId::ld, late, stream.anchor(), x_slot(late));
        program.stream_addresses.push_back(as.here());
        for (u16 bits : stream_code(stream)) as.halfword(bits);
        as.jump(entries.leave[stream.anchor()]);
    }
    as.align();

    std::string blocks;
    blocks.reserve(program.runs.size() * sizeof(Block));
    for (size_t run = 0; run < program.runs.size(); run++) {
        const auto [stream, input] = program.runs[run];
        blocks += bytes_of(
            initial_block(streams[stream], streams[stream].inputs[input], run, entries, heads[stream]));
    }

    Runtime runtime{};
    runtime.current = Layout::blocks;
    // SA_SIGINFO | SA_ONSTACK | SA_NODEFER, as riscv64 numbers them.
    runtime.action = {.handler = entries.handler, .flags = 0x48000004, .mask = 0};
    runtime.stack = {.pointer = signal_stack, .flags = 0, .size = signal_stack_bytes};

    std::string page(Layout::page, '\0');
    for (size_t i = 0; i < page.size() - Layout::edge_bytes; i++) page[i] = static_cast<char>(i * 37 + 11);
    ElfFile file;
    file.add(Layout::text, as.bytes(), as.bytes().size(), PF_R | PF_X);
    program.blocks_offset = file.add(Layout::blocks, blocks, blocks.size(), PF_R | PF_W);
    file.add(Layout::runtime, bytes_of(runtime), Layout::page + signal_stack_bytes, PF_R | PF_W);
    file.add(Layout::read_only, page + page, 2 * page.size(), PF_R);
    file.add(Layout::edge, page, page.size(), PF_R | PF_W);
    program.elf = file.bytes(entries.start);
    return program;
}

}  // namespace kiln::fuzz
