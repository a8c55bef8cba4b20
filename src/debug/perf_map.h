// Files that tell Linux's perf which guest function each piece of translated code belongs to.
//
// Both are opened anew for each entry and hold no descriptor, which the guest might close or find in its way.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace kiln::debug {

/// /tmp/perf-PID.map, which `perf report` looks for: lines of "start size name" in hexadecimal
/// (tools/perf/Documentation/jit-interface.txt of the kernel).
class PerfMap {
  public:
    /// Begins this process's file; in the child of a fork once more.
    Result<void> begin();
    /// `name` is what perf shows for this code.
    void add(std::span<const u8> host_code, std::string_view name) const;

  private:
    std::string path_;
};

/// jit-PID.dump, from which `perf inject --jit` makes files that perf can annotate
/// (tools/perf/Documentation/jitdump-specification.txt of the kernel, version 1). Times are those of CLOCK_MONOTONIC:
/// perf record -k mono.
class JitDump {
  public:
    explicit JitDump(std::string folder) : folder_(std::move(folder)) {}
    ~JitDump();
    JitDump(const JitDump&) = delete;
    JitDump& operator=(const JitDump&) = delete;

    /// As of PerfMap.
    Result<void> begin();
    void add(std::span<const u8> host_code, std::string_view name);

  private:
    const std::string folder_;
    std::string path_;
    void* mark_ = nullptr;
    u64 index_ = 0;
};

}  // namespace kiln::debug
