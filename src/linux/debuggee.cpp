// The guest threads' side: where they stop, and why.
#include "linux/debuggee.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "linux/guest_memory.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"
#include "linux/threads.h"

namespace kiln::user {

using run::ResumeMode;
using run::StopEvent;
using run::StopKind;

void DebuggedProcess::enter(Thread& thread) {
    const std::scoped_lock lock(mutex_);
    DebuggedThread& self = threads_.emplace_back(DebuggedThread{.thread = thread});
    if (all_stopped_) self.mode = ResumeMode::hold;
    // It comes to a border before it runs guest code, and may not know yet what a kick is.
    self.parked = all_stopped_;
    self.watch.ranges = watched_;
    thread.debugged = &self;
    thread.context.watch = &self.watch;
}

void DebuggedProcess::leave(Thread& thread) {
    Lock lock(mutex_);
    // The exit status of a process whose threads end one by one is its first thread's.
    if (thread.tid == getpid()) first_thread_status_ = thread.exit_status;
    if (threads_.size() == 1) {
        // The debugger's thread would keep the process alive.
        lock.unlock();
        end_process(thread, first_thread_status_);
    }
    threads_.remove_if([&](const DebuggedThread& known) { return &known == thread.debugged; });
    thread.debugged = nullptr;
    thread.context.watch = nullptr;
    changed_.notify_all();
    wake_debugger();  // nobody may be left
}

// ---- Stopping ----

int DebuggedProcess::park(Lock& lock, DebuggedThread& self) {
    self.stepped = false;
    self.parked = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return self.mode != ResumeMode::hold && !self.event; });
    self.parked = false;
    return std::exchange(self.signal, 0);
}

int DebuggedProcess::stop(DebuggedThread& self, StopEvent event) {
    Lock lock(mutex_);
    if (!active_) return event.signal;
    event.thread = self.thread.tid;
    self.event = event;
    self.mode = ResumeMode::hold;
    wake_debugger();
    return park(lock, self);
}

void DebuggedProcess::pass_border(Thread& thread) {
    DebuggedThread& self = *thread.debugged;
    for (;;) {
        Lock lock(mutex_);
        self.parked = false;
        if (!active_) return;
        int signal = std::exchange(self.signal, 0);
        if (signal != 0) {
            // The debugger has sent it along.
        } else if (std::exchange(self.watch.hit, false)) {
            StopEvent event{.kind = StopKind::watchpoint, .address = self.watch.address};
            event.watched = self.watch.range;
            lock.unlock();
            signal = stop(self, event);
        } else if (self.stepped) {
            const GuestAddr pc = process_.arch.pc(thread.context);
            self.stepped = false;
            if (pc >= self.range_begin && pc < self.range_end) return;
            lock.unlock();
            signal = stop(self, {.kind = StopKind::step});
        } else if (self.mode == ResumeMode::hold) {
            signal = park(lock, self);
        } else {
            return;
        }
        if (lock.owns_lock()) lock.unlock();
        if (signal == 0) continue;
        note_delivery(thread, signal);
        send_signal(thread, signal);
    }
}

abi::ExitReason DebuggedProcess::run(Thread& thread) {
    run::Engine& engine = process_.engine;
    // A child of vfork(2) shares its parent's breakpoints and runs on over them.
    DebuggedThread* const self = thread.debugged;
    if (self != nullptr) pass_border(thread);
    bool step = false;
    if (self != nullptr) {
        const std::scoped_lock lock(mutex_);
        step = self->mode == ResumeMode::step;
        self->stepped = step;
    }
    abi::ExitReason reason = step ? engine.step(*thread.engine_thread) : engine.run(*thread.engine_thread);
    if (!step && reason == abi::ExitReason::breakpoint && engine.is_stop(process_.arch.pc(thread.context))) {
        if (self == nullptr) return engine.step(*thread.engine_thread);
        const int signal = stop(*self, {.kind = StopKind::breakpoint});
        if (signal != 0) send_signal(thread, signal);
        return abi::ExitReason::poll;
    }
    if (self != nullptr && self->watch.hit) {
        // The watch asked for attention, which a signal may have done too.
        thread.context.attention = false;
        if (thread.captured.signal != 0) abi::request_attention(thread.context);
        // An access that failed was none.
        self->watch.hit = reason != abi::ExitReason::fault;
    }
    return reason;
}

// ---- What is reported ----

bool DebuggedProcess::catches(u64 number) {
    const std::scoped_lock lock(mutex_);
    if (!active_ || !caught_calls_) return false;
    return caught_calls_->empty() || std::ranges::find(*caught_calls_, number) != caught_calls_->end();
}

void DebuggedProcess::make_call(Thread& thread) {
    DebuggedThread* const self = thread.debugged;
    if (self == nullptr) return user::make_call(thread);
    const auto report = [&](StopKind kind, u64 number) {
        const int signal = stop(*self, {.kind = kind, .number = number});
        const std::scoped_lock lock(mutex_);
        self->signal = signal;  // for the next border
    };
    u64 number = process_.arch.call_number(thread.context);
    const bool caught = catches(number);
    if (caught) {
        report(StopKind::call_entry, number);
        number = process_.arch.call_number(thread.context);
    }
    const auto in_call = [&](bool now) {
        const std::scoped_lock lock(mutex_);
        self->in_call = now;
    };
    in_call(true);
    user::make_call(thread);
    if (thread.debugged != self) return;  // the child of a fork
    in_call(false);
    if (caught && thread.interrupted_call == 0 && catches(number)) report(StopKind::call_return, number);
}

int DebuggedProcess::filter_signal(Thread& thread, int signal, const siginfo_t& info) {
    DebuggedThread& self = *thread.debugged;
    {
        const std::scoped_lock lock(mutex_);
        if (!active_ || (passed_signals_ >> (signal - 1) & 1) != 0) return signal;
        self.info = info;
    }
    return stop_in_call(thread, [&] { return stop(self, {.kind = StopKind::signal, .signal = signal}); });
}

int DebuggedProcess::come_by(Thread& thread) {
    return stop_in_call(thread, [&] {
        Lock lock(mutex_);
        const bool wanted = active_ && thread.debugged->mode == ResumeMode::hold;
        return wanted ? park(lock, *thread.debugged) : 0;
    });
}

template <class Stop>
int DebuggedProcess::stop_in_call(Thread& thread, Stop&& stop) {
    // As in the kernel, a debugger sees an interrupted call about to be made again; if it sets pc elsewhere,
    // the call is forgotten.
    const Arch& arch = process_.arch;
    const GuestAddr behind_call = arch.pc(thread.context);
    const i64 interrupted = std::exchange(thread.interrupted_call, 0);
    if (interrupted != 0) arch.rewind_call(thread.context);
    const GuestAddr shown = arch.pc(thread.context);
    const int signal = stop();
    if (interrupted != 0 && arch.pc(thread.context) == shown) {
        arch.set_pc(thread.context, behind_call);
        thread.interrupted_call = interrupted;
    }
    note_delivery(thread, signal);
    return signal;
}

void DebuggedProcess::note_delivery(Thread& thread, int signal) {
    if (signal == 0 || thread.signals->get(signal).handler <= 1) return;
    const std::scoped_lock lock(mutex_);
    thread.debugged->stepped = thread.debugged->mode == ResumeMode::step;
}

void DebuggedProcess::report_end(Thread& thread, int status) {
    if (thread.debugged != nullptr) stop(*thread.debugged, {.kind = StopKind::ended, .status = status});
}

void DebuggedProcess::report_death(Thread& thread, int signal) {
    if (thread.debugged != nullptr) stop(*thread.debugged, {.kind = StopKind::killed, .signal = signal});
}

}  // namespace kiln::user
