// A small riscv64 guest for tests of the run loop: code written word by word, an address space, threads.
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "abi/riscv64/state.h"
#include "base/check.h"
#include "isa/riscv64/decode.h"
#include "mem/address_space.h"
#include "mem/fault.h"
#include "run/wiring.h"

namespace kiln::test {

using riscv64::InstId;

// Registers by their names in the calling convention.
enum Reg : u8 { zero = 0, ra = 1, t0 = 5, t1 = 6, t2 = 7, a0 = 10, a1, a2, a3, a4, a5, a6, a7 };

/// Code at a fixed address, with labels. Branches may go to labels that come later.
class Assembler {
  public:
    explicit Assembler(GuestAddr begin) : begin_(begin) {}

    GuestAddr here() const { return begin_ + 4 * words_.size(); }
    void label(const std::string& name) { labels_[name] = here(); }
    GuestAddr at(const std::string& name) const { return labels_.at(name); }

    void op(InstId id, u8 rd, u8 rs1, u8 rs2) { emit({.id = id, .rd = rd, .rs1 = rs1, .rs2 = rs2}); }
    void imm(InstId id, u8 rd, u8 rs1, i32 value) { emit({.id = id, .rd = rd, .rs1 = rs1, .imm = value}); }
    void store(InstId id, u8 value, u8 base, i32 offset) {
        emit({.id = id, .rs1 = base, .rs2 = value, .imm = offset});
    }
    void branch(InstId id, u8 rs1, u8 rs2, const std::string& target) {
        fixups_.push_back({words_.size(), target});
        emit({.id = id, .rs1 = rs1, .rs2 = rs2});
    }
    void branch(InstId id, u8 rs1, u8 rs2, GuestAddr target) {
        emit({.id = id, .rs1 = rs1, .rs2 = rs2, .imm = static_cast<i32>(target - here())});
    }
    void jal(u8 rd, const std::string& target) {
        fixups_.push_back({words_.size(), target});
        emit({.id = InstId::jal, .rd = rd});
    }
    void plain(InstId id) { emit({.id = id}); }

    std::vector<u32> words() const {
        std::vector<u32> words;
        std::vector<riscv64::Decoded> instructions = words_;
        for (const auto& [index, target] : fixups_)
            instructions[index].imm = static_cast<i32>(labels_.at(target) - (begin_ + 4 * index));
        for (const riscv64::Decoded& d : instructions) words.push_back(riscv64::encode(d));
        return words;
    }

  private:
    void emit(const riscv64::Decoded& d) { words_.push_back(d); }

    GuestAddr begin_;
    std::vector<riscv64::Decoded> words_;
    std::vector<std::pair<std::size_t, std::string>> fixups_;
    std::map<std::string, GuestAddr> labels_;
};

inline constexpr GuestAddr code_at{0x100000}, data_at{0x200000};

struct Guest {
    std::unique_ptr<mem::AddressSpace> space;
    std::unique_ptr<run::Engine> engine;

    /// On the engine that the environment variable KILN_TEST_ENGINE names, if there is one.
    explicit Guest(run::EngineOptions options = {}) {
        if (const char* const name = std::getenv("KILN_TEST_ENGINE")) {
            const std::string_view kind = name;
            options.kind = kind == "jit1"   ? EngineKind::jit1
                           : kind == "jit2" ? EngineKind::jit2
                                            : EngineKind::hybrid;
        }
        mem::install_fault_handlers();
        auto made = mem::AddressSpace::create({});
        KILN_CHECK(made.has_value());
        space = std::move(*made);
        engine = run::make_engine(run::frontend_of(run::GuestIsa::riscv64), *space, options);
        map(code_at, 0x10000, PROT_READ | PROT_WRITE | PROT_EXEC);
        map(data_at, 0x10000, PROT_READ | PROT_WRITE);
    }

    void map(GuestAddr begin, u64 bytes, int prot) {
        const i64 at = space->map(begin, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        KILN_CHECK(at == static_cast<i64>(begin.raw));
    }
    void put(const Assembler& code, GuestAddr begin = code_at) {
        const std::vector<u32> words = code.words();
        KILN_CHECK(space->write(begin, words.data(), 4 * words.size()));
    }
    u64 load(GuestAddr from) const {
        u64 value = 0;
        KILN_CHECK(space->read(from, &value, 8));
        return value;
    }
};

/// A guest thread: its state and its place in the engine.
struct Hart {
    riscv64::State state;
    std::unique_ptr<run::Engine::Thread> thread;

    explicit Hart(Guest& guest, GuestAddr pc = code_at) {
        thread = guest.engine->attach(state.context);
        state.pc = pc.raw;
    }
};

}  // namespace kiln::test
