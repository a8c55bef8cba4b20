// Everything that watches units, put together as the options ask for: --report, --dump, --perf-map, --jitdump, --gdb-jit.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "debug/dump.h"
#include "debug/gdb_jit.h"
#include "debug/perf_map.h"
#include "debug/report.h"
#include "debug/symbols.h"
#include "run/engine.h"

namespace kiln::debug {

class Observing final : public run::Observer {
  public:
    /// Null if the options ask for nothing of it; an error if a file cannot be written or --dump makes no sense.
    static Result<std::unique_ptr<Observing>> create(const Options& options);

    /// Makes the engine show this what it needs.
    void attach(run::EngineOptions& engine);
    /// Writes the report, if there is to be one and this process did not begin as a fork of another.
    void write_report(std::string_view program);

    void see_guest(const abi::Frontend& frontend, const mem::AddressSpace& space) override;
    void see_ir(GuestAddr pc, const ir::Function& f, std::string_view after) override;
    void see_stubs(std::span<const u8> host_code) override;
    void see_unit(const run::SeenUnit& unit) override;
    void see_link(const void* site, GuestAddr pc) override;
    void see_drop(GuestAddr, run::TierReason) override {}
    void see_sample(GuestAddr pc, u64 instructions) override;
    void see_fork() override;

  private:
    /// Host code and the name that profilers shall show for it.
    struct Named {
        std::span<const u8> host_code;
        std::string name;
    };
    bool names_code() const { return perf_map_ || jitdump_ || gdb_jit_; }
    void name(std::span<const u8> host_code, std::string name);
    void tell(const Named& named);

    std::optional<Symbols> symbols_;
    std::string report_file_;
    std::optional<Report> report_;
    std::optional<DumpRequest> dump_request_;
    std::optional<Dump> dump_;
    std::optional<PerfMap> perf_map_;
    std::optional<JitDump> jitdump_;
    std::optional<GdbJit> gdb_jit_;
    std::vector<Named> named_;  // for a child's files
    int begin_pid_ = 0;
};

}  // namespace kiln::debug
