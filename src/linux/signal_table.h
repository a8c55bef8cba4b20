// What each signal does in this process: rt_sigaction(2)'s table, shared by all threads.
#pragma once

#include <array>
#include <mutex>

#include "linux/signal_types.h"

namespace kiln::user {

/// What the kernel does with a signal that has no handler (signal(7)).
enum class DefaultAction : u8 { terminate, core, ignore, stop, resume };
DefaultAction default_action(int signal);

class SignalTable {
  public:
    SignalTable() = default;
    /// For a child of vfork(2), which shares all else with its parent.
    SignalTable(const SignalTable& other);
    /// The action of `signal`. Any thread.
    SignalAction get(int signal) const {
        std::scoped_lock lock(mutex_);
        return actions_[signal - 1];
    }
    /// Replaces it, and makes the host deliver the signal to kiln exactly if kiln has something to do with
    /// it.
    void set(int signal, const SignalAction& action);
    /// After the host's C library has made a thread: with the first one it takes a signal for itself that the guest's
    /// C library wants too, to change user ids in all threads.
    void take_back();
    /// From now on the host delivers every signal to kiln that the guest does not ignore: a debugger wants to
    /// know of those too that need no handler. Before inherit().
    void capture_all() { capture_all_ = true; }
    /// Takes over what this process inherited: signals that are ignored. `sees_ends`: kiln has something to do
    /// before a signal ends the process, SIGKILL excepted.
    void inherit(bool sees_ends);
    /// Keeps every other thread out while held: held over fork, the child's copy is whole and usable.
    [[nodiscard]] std::unique_lock<std::mutex> freeze() { return std::unique_lock(mutex_); }

  private:
    bool concerns_kiln(int signal) const;
    void install(int signal) const;

    mutable std::mutex mutex_;
    std::array<SignalAction, signal_count> actions_;
    bool sees_ends_ = false;
    bool capture_all_ = false;
};

}  // namespace kiln::user
