// Signal numbers: GDB has its own, the same for all systems.
#pragma once

#include "base/types.h"

namespace kiln::debug {

inline constexpr int gdb_sigint = 2, gdb_sigtrap = 5;

constexpr int gdb_signal(int linux_signal) {
    // Realtime signals 33 to 63 are consecutive.
    if (linux_signal >= 33 && linux_signal <= 63) return linux_signal - 33 + 45;
    switch (linux_signal) {
#define GDB_SIGNAL(name, gdb, number) \
    case number: return gdb;
#include "debug/gdb_signals.def"
#undef GDB_SIGNAL
        default: return 143;
    }
}

/// 0: Linux has no such signal.
constexpr int linux_signal(u64 gdb_number) {
    if (gdb_number >= 45 && gdb_number <= 75) return static_cast<int>(gdb_number) - 45 + 33;
    switch (gdb_number) {
#define GDB_SIGNAL(name, gdb, number) \
    case gdb: return number;
#include "debug/gdb_signals.def"
#undef GDB_SIGNAL
        default: return 0;
    }
}

}  // namespace kiln::debug
