// The GDB protocol without GDB: framing on bytes that are split, damaged or hostile, and a session's answers
// for a guest that is a table of registers and memory.
#include "debug/gdb_session.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "abi/riscv64/state.h"
#include "debug/gdb_framing.h"
#include "debug/gdb_signals.h"

namespace kiln::debug {
namespace {

using run::ResumeMode;
using run::Resumption;
using run::StopEvent;
using run::StopKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Kind = GdbInput::Kind;

std::vector<GdbInput> read_all(std::string_view bytes, std::size_t piece) {
    GdbReader reader;
    std::vector<GdbInput> inputs;
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, piece);
        bytes.remove_prefix(part.size());
        reader.feed({reinterpret_cast<const u8*>(part.data()), part.size()});
        while (auto input = reader.next()) inputs.push_back(*input);
    }
    return inputs;
}

TEST(Framing, CutsInputsWhereverTheyAreSplit) {
    const std::string bytes = "+$g#67junk-\x03$X1,2:}\x03}\x04#" + std::string("00") + "$m0,4#fd";
    for (std::size_t piece = 1; piece < bytes.size(); ++piece) {
        const auto inputs = read_all(bytes, piece);
        ASSERT_EQ(inputs.size(), 6u) << piece;
        EXPECT_EQ(inputs[0].kind, Kind::ack);
        EXPECT_EQ(inputs[1].payload, "g");
        EXPECT_EQ(inputs[2].kind, Kind::resend);
        EXPECT_EQ(inputs[3].kind, Kind::interrupt);
        EXPECT_EQ(inputs[4].kind, Kind::damaged);  // the checksum
        EXPECT_EQ(inputs[5].payload, "m0,4");
    }
}

TEST(Framing, EscapesGoBothWays) {
    const std::string payload = std::string("a$b#c}d*e") + '\0' + "\x03";
    const auto inputs = read_all(gdb_frame(payload), 3);
    ASSERT_EQ(inputs.size(), 1u);
    EXPECT_EQ(inputs[0].payload, payload);
}

TEST(Framing, DropsWhatIsTooLong) {
    const std::string bytes = "$" + std::string(5 * gdb_packet_bytes, 'x') + "#00$g#67";
    const auto inputs = read_all(bytes, 4096);
    ASSERT_EQ(inputs.size(), 2u);
    EXPECT_EQ(inputs[0].kind, Kind::damaged);
    EXPECT_EQ(inputs[1].payload, "g");
}

TEST(Framing, SurvivesNoise) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 200; ++round) {
        std::string bytes;
        for (int i = 0; i < 300; ++i) bytes += "$#+-\x03}0123456789abcdefgXmZ:;,"[random() % 30];
        read_all(bytes, 1 + random() % 64);
    }
}

TEST(Framing, Numbers) {
    std::string_view text = "ffffffffffffffff,";
    EXPECT_EQ(take_hex(text), ~u64{0});
    EXPECT_EQ(text, ",");
    text = "10000000000000000";
    EXPECT_FALSE(take_hex(text));
    text = "x";
    EXPECT_FALSE(take_hex(text));
    EXPECT_FALSE(from_hex("abc"));
    EXPECT_FALSE(from_hex("0g"));
    EXPECT_EQ(from_hex("4142"), "AB");
    EXPECT_EQ(to_hex(u64{0}), "0");
}

TEST(Signals, TheTwoNumberingsAgree) {
    for (int number = 1; number <= 64; ++number) {
        if (number == 16) continue;  // SIGSTKFLT: GDB has none
        EXPECT_EQ(linux_signal(static_cast<u64>(gdb_signal(number))), number);
    }
    EXPECT_EQ(gdb_signal(11), 11);
    EXPECT_EQ(gdb_signal(10), 30);
    EXPECT_EQ(gdb_signal(34), 46);
    EXPECT_EQ(linux_signal(143), 0);
}

constexpr GuestAddr memory_at{0x1000};

/// Two threads, 5 and 6, of process 5, and 256 bytes of memory.
class FakeGuest : public run::Debuggee {
  public:
    FakeGuest() : memory(256) {
        for (riscv64::State* state : {&states[0], &states[1]}) {
            for (unsigned i = 1; i < 32; ++i) state->x[i] = 0x100 + i;
            state->pc = 0x1010;
        }
    }
    i64 process() const override { return 5; }
    std::vector<run::ThreadNumber> threads() const override { return {5, 6}; }
    std::string thread_name(run::ThreadNumber thread) const override { return thread == 5 ? "main" : "a<b"; }
    abi::Context* registers(run::ThreadNumber thread) override {
        return thread == 5 || thread == 6 ? &states[thread - 5].context : nullptr;
    }
    const ir::StateLayout& layout() const override { return riscv64::layout; }
    std::span<const u8> signal_info(run::ThreadNumber) const override { return {}; }
    std::size_t read_memory(GuestAddr from, std::span<u8> to) override {
        if (from < memory_at || from - memory_at >= memory.size()) return 0;
        const std::size_t bytes = std::min<u64>(to.size(), memory.size() - (from - memory_at));
        std::memcpy(to.data(), memory.data() + (from - memory_at), bytes);
        return bytes;
    }
    bool write_memory(GuestAddr to, std::span<const u8> from) override {
        if (to < memory_at || to - memory_at + from.size() > memory.size()) return false;
        std::memcpy(memory.data() + (to - memory_at), from.data(), from.size());
        return true;
    }
    void set_breakpoints(std::vector<GuestAddr> addresses) override { breakpoints = std::move(addresses); }
    void set_watchpoints(std::vector<abi::WatchedRange> ranges) override { watched = std::move(ranges); }
    void pass_signals(u64 signals) override { passed = signals; }
    void catch_calls(std::optional<std::vector<u64>> numbers) override { caught = std::move(numbers); }
    void report_processes(run::ProcessEvents events) override { reported = events; }
    void resume(std::span<const Resumption> how) override { resumed.assign(how.begin(), how.end()); }
    void interrupt() override {}
    void wait(int) override {}
    std::optional<StopEvent> next_event() override { return StopEvent{.thread = 5}; }
    void settle_fork(run::ForkChoice choice, i64, int, std::string_view given) override {
        settled = choice;
        notes = given;
    }
    void release_parent() override { released = true; }
    void hand_over(std::span<const Resumption> how, int, std::string_view given) override {
        resumed.assign(how.begin(), how.end());
        notes = given;
    }
    void note_executed() override { executed = true; }
    EngineKind engine() const override { return kind; }
    void switch_engine(EngineKind other) override { kind = other; }
    void detach() override { detached = true; }
    void kill() override { std::abort(); }
    std::string executable() const override { return "/bin/guest"; }
    std::span<const u8> auxiliary_vector() const override { return memory; }
    void separate_descriptors(int) override {}
    int open_file(const std::string&, int, int) override { return -ENOENT; }
    int read_link(const std::string&, std::span<char>) override { return -EINVAL; }

    riscv64::State states[2];
    std::vector<u8> memory;
    std::vector<GuestAddr> breakpoints;
    std::vector<abi::WatchedRange> watched;
    u64 passed = 0;
    std::optional<std::vector<u64>> caught;
    EngineKind kind = EngineKind::hybrid;
    run::ProcessEvents reported;
    bool executed = false, detached = false, released = false;
    std::optional<run::ForkChoice> settled;
    std::string notes;
    std::vector<Resumption> resumed;
};

struct Session : testing::Test {
    FakeGuest guest;
    GdbSession session{guest, -1, {}};

    std::string ask(std::string_view packet) { return session.handle(packet).value_or("(none)"); }
    void agree() { ask("qSupported:multiprocess+;swbreak+;hwbreak+;fork-events+;no-resumed+"); }
};

TEST_F(Session, Features) {
    const std::string answer = ask("qSupported:multiprocess+;fork-events+;xmlRegisters=i386");
    for (const char* feature :
         {"PacketSize=", "qXfer:features:read+", "multiprocess+", "fork-events+", "swbreak+"})
        EXPECT_THAT(answer, HasSubstr(feature));
    EXPECT_TRUE(guest.reported.forks && !guest.reported.vforks);
    EXPECT_EQ(ask("vMustReplyEmpty"), "");
    EXPECT_EQ(ask("qUnknown"), "");
    EXPECT_EQ(ask(""), "");
    EXPECT_EQ(ask("QStartNoAckMode"), "OK");
    EXPECT_FALSE(session.acks());
}

TEST_F(Session, TargetDescription) {
    std::string text, piece;
    do {
        piece = ask("qXfer:features:read:target.xml:" + to_hex(text.size()) + ",100");
        text += piece.substr(1);
    } while (piece[0] == 'm');
    for (const char* part : {"org.gnu.gdb.riscv.cpu", "org.gnu.gdb.riscv.fpu", "org.gnu.gdb.riscv.csr",
                             "name=\"x31\"", "name=\"pc\"", "name=\"f31\"", "name=\"fcsr\"", "</target>"})
        EXPECT_THAT(text, HasSubstr(part));
    EXPECT_EQ(ask("qXfer:features:read:other.xml:0,100"), "E00");
    EXPECT_EQ(ask("qXfer:features:read:target.xml:0"), "E16");
    EXPECT_EQ(ask("qXfer:features:write:target.xml:0,10"), "");
}

TEST_F(Session, Registers) {
    const std::string all = ask("g");
    EXPECT_EQ(all.size(), 33u * 16);
    EXPECT_EQ(all.substr(0, 16), "0000000000000000");
    EXPECT_EQ(all.substr(16, 16), "0101000000000000");
    EXPECT_EQ(all.substr(32 * 16), "1010000000000000");
    EXPECT_EQ(ask("P5=8877665544332211"), "OK");
    EXPECT_EQ(guest.states[0].x[5], 0x1122334455667788u);
    EXPECT_EQ(ask("p5"), "8877665544332211");
    EXPECT_EQ(ask("P0=ffffffffffffffff"), "OK");
    EXPECT_EQ(ask("p0"), "0000000000000000");
    EXPECT_EQ(ask("P20=1310000000000000"), "OK");
    EXPECT_EQ(guest.states[0].pc, 0x1012u);
    EXPECT_EQ(ask("P44=e7000000"), "OK");  // fcsr
    EXPECT_EQ(guest.states[0].frm, 7u);
    EXPECT_EQ(guest.states[0].context.fp_flags, 7u);
    EXPECT_EQ(ask("p42"), "07000000");  // fflags
    EXPECT_EQ(ask("Hg6"), "OK");
    EXPECT_EQ(ask("p5"), "0501000000000000");
    std::string changed = ask("g");
    changed[17] = '7';
    EXPECT_EQ(ask("G" + changed), "OK");
    EXPECT_EQ(guest.states[1].x[1], 0x107u);
    for (const char* bad : {"p", "pzz", "p999", "P5", "P5=", "P5=12", "P999=00", "G00", "Gxx"})
        EXPECT_THAT(ask(bad), StartsWith("E")) << bad;
}

TEST_F(Session, Memory) {
    EXPECT_EQ(ask("M1000,3:0102ff"), "OK");
    EXPECT_EQ(ask("m1000,4"), "0102ff00");
    EXPECT_EQ(ask(std::string_view("X1004,2:\0#", 10)), "OK");
    EXPECT_EQ(ask("m1004,2"), "0023");
    EXPECT_EQ(ask("X1000,0:"), "OK");
    EXPECT_EQ(ask("m10fe,8"), "0000");
    for (const char* bad : {"m", "m1000", "m1000,", "mg,1", "m0,4", "M1000,2:01", "M1000,1:0g", "M1000,1",
                            "X1000,4:a", "M10ff,2:0102", "m1000,4junk", "m10000000000000000,1"})
        EXPECT_THAT(ask(bad), StartsWith("E")) << bad;
    EXPECT_EQ(ask("m1000,ffffffffffffffff").size(), 512u);
}

TEST_F(Session, Points) {
    EXPECT_EQ(ask("Z0,1010,2"), "OK");
    EXPECT_EQ(ask("Z0,1010,2"), "OK");
    EXPECT_EQ(ask("Z1,1010,4"), "OK");
    EXPECT_EQ(ask("Z1,1000,4"), "OK");
    EXPECT_THAT(guest.breakpoints, ElementsAre(GuestAddr(0x1000), GuestAddr(0x1010)));
    EXPECT_EQ(ask("z0,1010,2"), "OK");
    EXPECT_THAT(guest.breakpoints, ElementsAre(GuestAddr(0x1000), GuestAddr(0x1010)));
    EXPECT_EQ(ask("z1,1010,4"), "OK");
    EXPECT_THAT(guest.breakpoints, ElementsAre(GuestAddr(0x1000)));
    EXPECT_EQ(ask("Z2,2000,8"), "OK");
    EXPECT_EQ(ask("Z4,3000,1"), "OK");
    EXPECT_THAT(guest.watched,
                ElementsAre(abi::WatchedRange{GuestAddr(0x2000), 8, abi::access_write},
                            abi::WatchedRange{GuestAddr(0x3000), 1, abi::access_read | abi::access_write}));
    EXPECT_EQ(ask("Z7,0,1"), "");
    for (const char* bad : {"Z0", "Z0,", "Z0,zz,2", "Z0,1000", "z2,1"})
        EXPECT_THAT(ask(bad), StartsWith("E")) << bad;
}

TEST_F(Session, GoingOn) {
    agree();
    EXPECT_EQ(ask("vCont?"), "vCont;c;C;s;S;r");
    EXPECT_EQ(ask("vCont;s:p5.6;c"), "(none)");
    ASSERT_EQ(guest.resumed.size(), 2u);
    EXPECT_EQ(guest.resumed[0].mode, ResumeMode::run);
    EXPECT_EQ(guest.resumed[1].mode, ResumeMode::step);
    EXPECT_EQ(session.state(), GdbSession::State::running);
    EXPECT_THAT(session.report({.kind = StopKind::step, .thread = 6}),
                testing::MatchesRegex("T05.*20:1010000000000000;thread:p5.6;"));
    EXPECT_EQ(ask("vCont;C1e:p5.5"), "(none)");
    ASSERT_EQ(guest.resumed.size(), 1u);
    EXPECT_EQ(guest.resumed[0].signal, 10);
    session.report({.kind = StopKind::step, .thread = 5});
    EXPECT_EQ(ask("vCont;r1000,1020:p5.-1"), "(none)");
    EXPECT_EQ(guest.resumed[1].range_end, GuestAddr(0x1020));
    session.report({.kind = StopKind::step, .thread = 5});
    guest.resumed.clear();
    for (const char* bad :
         {"vCont", "vCont;", "vCont;x", "vCont;C", "vCont;r1000", "vCont;c:zz", "vCont;c:p5.5x"})
        EXPECT_THAT(ask(bad), StartsWith("E")) << bad;
    EXPECT_TRUE(guest.resumed.empty());
    // Debuggers without vCont.
    EXPECT_EQ(ask("Hcp5.6"), "OK");
    EXPECT_EQ(ask("s"), "(none)");
    ASSERT_EQ(guest.resumed.size(), 1u);
    EXPECT_EQ(guest.resumed[0].thread, 6);
    session.report({.kind = StopKind::step, .thread = 6});
    EXPECT_EQ(ask("Hc-1"), "OK");
    EXPECT_EQ(ask("c1000"), "(none)");
    EXPECT_EQ(guest.resumed.size(), 2u);
    EXPECT_EQ(guest.states[1].pc, 0x1000u);
}

TEST_F(Session, StopReplies) {
    agree();
    ask("Z1,1010,2");
    EXPECT_THAT(session.report({.kind = StopKind::breakpoint, .thread = 5}), HasSubstr(";hwbreak:;"));
    ask("Z0,1010,2");
    EXPECT_THAT(session.report({.kind = StopKind::breakpoint, .thread = 5}), HasSubstr(";swbreak:;"));
    EXPECT_THAT(session.report({.kind = StopKind::signal, .thread = 5, .signal = 12}), StartsWith("T1f"));
    EXPECT_THAT(session.report({.kind = StopKind::interrupt, .thread = 5}), StartsWith("T02"));
    StopEvent watch{.kind = StopKind::watchpoint, .thread = 5, .address = GuestAddr(0x2004)};
    watch.watched = {GuestAddr(0x2000), 8, abi::access_read};
    EXPECT_THAT(session.report(watch), HasSubstr(";rwatch:2004;"));
    EXPECT_THAT(session.report({.kind = StopKind::call_entry, .thread = 5, .number = 64}),
                HasSubstr(";syscall_entry:40;"));
    EXPECT_EQ(ask("?"), session.report({.kind = StopKind::call_entry, .thread = 5, .number = 64}));
    EXPECT_EQ(session.report({.kind = StopKind::none_left}), "N");
    EXPECT_EQ(session.report({.kind = StopKind::ended, .thread = 5, .status = 3}), "W03;process:5");
    EXPECT_EQ(session.state(), GdbSession::State::over);
    session.finish();
    EXPECT_TRUE(guest.detached);
}

TEST_F(Session, Death) {
    EXPECT_EQ(session.report({.kind = StopKind::killed, .thread = 5, .signal = 10}), "X1e");
}

TEST_F(Session, Threads) {
    EXPECT_EQ(ask("qfThreadInfo"), "m5,6");
    EXPECT_EQ(ask("qsThreadInfo"), "l");
    agree();
    EXPECT_EQ(ask("qfThreadInfo"), "mp5.5,p5.6");
    EXPECT_EQ(ask("qC"), "QCp5.5");
    EXPECT_EQ(ask("Tp5.6"), "OK");
    EXPECT_THAT(ask("Tp5.7"), StartsWith("E"));
    EXPECT_EQ(ask("Hgp0.0"), "OK");
    EXPECT_EQ(ask("qThreadExtraInfo,p5.5"), "6d61696e");
    EXPECT_THAT(ask("qXfer:threads:read::0,1000"), HasSubstr("id=\"p5.6\" name=\"a&lt;b\""));
    for (const char* bad : {"Hg", "H", "Hx5", "Hg99", "Hgp5.zz", "T", "Txx"})
        EXPECT_THAT(ask(bad), StartsWith("E")) << bad;
}

TEST_F(Session, Settings) {
    EXPECT_EQ(ask("QPassSignals:e;14;1e"), "OK");
    EXPECT_EQ(guest.passed, u64{1} << 13 | u64{1} << 16 | u64{1} << 9);  // SIGALRM, SIGCHLD, SIGUSR1
    EXPECT_EQ(ask("QPassSignals:"), "OK");
    EXPECT_EQ(guest.passed, 0u);
    EXPECT_EQ(ask("QCatchSyscalls:1;40;3f"), "OK");
    EXPECT_THAT(*guest.caught, ElementsAre(0x40, 0x3f));
    EXPECT_EQ(ask("QCatchSyscalls:0"), "OK");
    EXPECT_FALSE(guest.caught);
    EXPECT_THAT(*from_hex(ask("qRcmd,68656c70")), HasSubstr("monitor maps"));
    EXPECT_THAT(*from_hex(ask("qRcmd,6e6f")), HasSubstr("no command 'no'"));
    EXPECT_EQ(ask("qRcmd,6"), "E16");
    const auto monitor = [&](std::string_view command) { return *from_hex(ask("qRcmd," + to_hex(command))); };
    EXPECT_THAT(monitor("engine"), HasSubstr("* hybrid"));
    EXPECT_THAT(monitor("engine jit1"), HasSubstr("* jit1"));
    EXPECT_EQ(guest.kind, EngineKind::jit1);
    EXPECT_THAT(monitor("engine jit9"), HasSubstr("no engine 'jit9'"));
    EXPECT_EQ(guest.kind, EngineKind::jit1);
}

TEST_F(Session, Files) {
    EXPECT_EQ(ask("vFile:setfs:0"), "F0");
    EXPECT_EQ(ask("vFile:open:2f6e6f6e65,0,0"), "F-1,2");
    for (const char* bad :
         {"vFile:open:", "vFile:open:zz,0,0", "vFile:open:2f,0", "vFile:close:1", "vFile:pread:2,10,0",
          "vFile:pread:", "vFile:fstat:0", "vFile:pwrite:1,0,x", "vFile:readlink:2f", "vFile:readlink:z"})
        EXPECT_THAT(ask(bad), StartsWith("F-1,")) << bad;
    EXPECT_EQ(ask("vFile:unlink:2f"), "");
    EXPECT_EQ(ask("vFile"), "");
}

TEST_F(Session, NewPrograms) {
    agree();
    EXPECT_FALSE(guest.reported.programs);
    EXPECT_THAT(ask("qSupported:multiprocess+;exec-events+"), HasSubstr("exec-events+"));
    EXPECT_TRUE(guest.reported.programs);
    ask("vCont;s:p5.5;c");
    session.hand_over();
    EXPECT_EQ(guest.resumed.size(), 2u);
    // The new program's session begins with the news.
    GdbSession next{guest, -1, GdbNotes::read(guest.notes)};
    EXPECT_TRUE(guest.executed);
    EXPECT_EQ(next.state(), GdbSession::State::running);
    EXPECT_THAT(next.report({.kind = StopKind::executed, .thread = 5}),
                HasSubstr("exec:2f62696e2f6775657374;"));
    EXPECT_EQ(next.state(), GdbSession::State::stopped);
}

TEST_F(Session, Forks) {
    agree();
    const StopEvent fork{.kind = StopKind::fork, .thread = 5, .child = 9};
    EXPECT_THAT(session.report(fork), HasSubstr(";fork:p9.9;"));
    // The child's breakpoints are removed, not the parent's.
    ask("Z0,1010,2");
    EXPECT_EQ(ask("Hgp9.9"), "OK");
    EXPECT_EQ(ask("z0,1010,2"), "OK");
    EXPECT_EQ(guest.breakpoints.size(), 1u);
    EXPECT_THAT(ask("m1010,2"), testing::Not(StartsWith("E")));
    EXPECT_EQ(ask("D;9"), "OK");
    EXPECT_EQ(guest.settled, run::ForkChoice::parent);
    EXPECT_EQ(session.state(), GdbSession::State::stopped);
    session.report(fork);
    EXPECT_EQ(ask("D;5"), "OK");
    EXPECT_EQ(session.state(), GdbSession::State::handed_over);
    session.finish();
    EXPECT_EQ(guest.settled, run::ForkChoice::child);
    EXPECT_TRUE(guest.detached);
    const GdbNotes notes = GdbNotes::read(guest.notes);
    EXPECT_TRUE(notes.multiprocess && notes.fork_events && notes.break_reasons && notes.acks);
}

TEST_F(Session, VforkAndStay) {
    EXPECT_THAT(ask("qSupported:multiprocess+;vfork-events+"), HasSubstr(";vfork-events+"));
    EXPECT_TRUE(guest.reported.vforks);
    EXPECT_THAT(session.report({.kind = StopKind::vfork, .thread = 5, .child = 9}),
                HasSubstr(";vfork:p9.9;"));
    EXPECT_EQ(ask("D;9"), "OK");
    EXPECT_EQ(guest.settled, run::ForkChoice::parent);
    ask("vCont;c:p5.5");
    EXPECT_THAT(session.report({.kind = StopKind::vfork_done, .thread = 5}), HasSubstr(";vforkdone:;"));
}

TEST_F(Session, VforkAndFollowUntilTheParentIsLetGo) {
    ask("qSupported:multiprocess+;vfork-events+");
    ask("Z0,1010,2");
    ask("Z2,1020,4");
    session.report({.kind = StopKind::vfork, .thread = 6, .child = 9});
    EXPECT_EQ(ask("vCont;c:p9.-1"), "(none)");
    EXPECT_EQ(session.state(), GdbSession::State::handed_over);
    session.finish();
    EXPECT_EQ(guest.settled, run::ForkChoice::child);

    // The child: it has its parent's points, and goes on at once.
    struct Child final : FakeGuest {
        i64 process() const override { return 9; }
        std::vector<run::ThreadNumber> threads() const override { return {9}; }
    } child;
    GdbSession next{child, -1, GdbNotes::read(guest.notes)};
    EXPECT_EQ(next.state(), GdbSession::State::running);
    EXPECT_THAT(child.breakpoints, ElementsAre(GuestAddr(0x1010)));
    EXPECT_EQ(child.watched.size(), 1u);
    ASSERT_EQ(child.resumed.size(), 1u);
    EXPECT_EQ(child.resumed[0].thread, 9);
    EXPECT_FALSE(child.released);

    // GDB counts the parent as its own until it has heard of the child's end.
    EXPECT_EQ(next.report({.kind = StopKind::ended, .status = 3}), "W03;process:9");
    EXPECT_EQ(next.state(), GdbSession::State::stopped);
    EXPECT_EQ(next.handle("Tp5.6"), "OK");
    EXPECT_EQ(next.handle("Hgp5.6"), "OK");
    EXPECT_EQ(next.handle("z0,1010,2"), "OK");
    EXPECT_EQ(child.breakpoints.size(), 1u);
    EXPECT_EQ(next.handle("D;5"), "OK");
    EXPECT_TRUE(child.released);
    EXPECT_EQ(next.state(), GdbSession::State::over);
}

TEST_F(Session, NotesSurviveTheirTrip) {
    const GdbNotes notes{.acks = false,
                         .multiprocess = true,
                         .passed_signals = 0x123456789,
                         .catches_calls = true,
                         .caught_calls = {64, 220},
                         .held_process = 7,
                         .held_thread = 8,
                         .points = {{0, GuestAddr(0x1000), 2}},
                         .packet = "vCont;s:p9.9;c:p9.-1"};
    const GdbNotes read = GdbNotes::read(notes.write());
    EXPECT_EQ(read.write(), notes.write());
    EXPECT_EQ(read.passed_signals, 0x123456789u);
    EXPECT_THAT(read.caught_calls, ElementsAre(64, 220));
    EXPECT_EQ(read.held_thread, 8);
    EXPECT_THAT(read.points, ElementsAre(GdbPoint{0, GuestAddr(0x1000), 2}));
    EXPECT_EQ(read.packet, "vCont;s:p9.9;c:p9.-1");
    EXPECT_EQ(GdbNotes::read("").write(), "0000000000:0.0:");
}

TEST_F(Session, DetachAndLoss) {
    EXPECT_EQ(ask("D;7"), "E03");
    EXPECT_EQ(ask("D"), "OK");
    EXPECT_EQ(session.state(), GdbSession::State::over);
    EXPECT_FALSE(guest.detached);
    session.finish();
    EXPECT_TRUE(guest.detached);
}

TEST_F(Session, LossWhileRunning) {
    ask("vCont;c");
    session.connection_lost();
    EXPECT_TRUE(guest.detached);
}

TEST_F(Session, SurvivesNoise) {
    agree();
    std::mt19937_64 random(7);
    const char* const starts[] = {"m",
                                  "M",
                                  "X",
                                  "Z0",
                                  "z2",
                                  "p",
                                  "P",
                                  "g",
                                  "G",
                                  "H",
                                  "T",
                                  "vCont",
                                  "vFile:pread:",
                                  "vFile:open:",
                                  "qXfer:features:read:",
                                  "qXfer:",
                                  "qRcmd,",
                                  "QPassSignals:",
                                  "QCatchSyscalls:1;",
                                  "qSupported:",
                                  "qThreadExtraInfo,",
                                  "?",
                                  "c",
                                  "S",
                                  "vCont;r"};
    for (int round = 0; round < 20000; ++round) {
        std::string packet = starts[random() % std::size(starts)];
        for (u64 more = random() % 12; more > 0; --more)
            packet += "0123456789abcdef,;:=.-pzX\0\xff"[random() % 28];
        session.handle(packet);
        if (session.state() == GdbSession::State::running)
            session.report({.kind = StopKind::step, .thread = 5});
        ASSERT_EQ(session.state(), GdbSession::State::stopped) << packet;
    }
}

}  // namespace
}  // namespace kiln::debug
