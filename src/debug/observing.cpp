#include "debug/observing.h"

#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "debug/stats.h"

namespace kiln::debug {

Result<std::unique_ptr<Observing>> Observing::create(const Options& options) {
    const bool wanted =
        options.report.name || options.dump || options.perf_map || options.jitdump || options.gdb_jit;
    if (!wanted) return nullptr;
    auto observing = std::make_unique<Observing>();
    observing->begin_pid_ = getpid();
    if (options.report.name) {
        observing->report_file_ = *options.report.name == "-" ? "" : *options.report.name;
        observing->report_.emplace();
    }
    if (options.dump) {
        auto request = DumpRequest::parse(*options.dump);
        if (!request) return tl::unexpected(request.error());
        observing->dump_request_ = std::move(*request);
    }
    if (options.perf_map)
        if (auto begun = observing->perf_map_.emplace().begin(); !begun) return tl::unexpected(begun.error());
    if (options.jitdump)
        if (auto begun = observing->jitdump_.emplace(*options.jitdump).begin(); !begun)
            return tl::unexpected(begun.error());
    if (options.gdb_jit) observing->gdb_jit_.emplace();
    return observing;
}

void Observing::attach(run::EngineOptions& engine) {
    engine.observer = this;
    engine.observe_ir = dump_request_ && dump_request_->wants_ir();
    engine.listings = dump_request_ && dump_request_->host;
    // Some microseconds of a fast guest: thousands of samples in a second, at a cost below what can be measured.
    if (report_) engine.sample_every = 200'000;
}

void Observing::write_report(std::string_view program) {
    if (report_ && getpid() == begin_pid_)
        write_to(report_file_, report_->text(program, *symbols_), "the report");
}

void Observing::see_guest(const abi::Frontend& frontend, const mem::AddressSpace& space) {
    symbols_.emplace(space);
    if (dump_request_) dump_.emplace(*dump_request_, frontend, space);
}

void Observing::see_ir(GuestAddr pc, const ir::Function& f, std::string_view after) {
    dump_->add_ir(pc, f, after);
}

void Observing::see_stubs(std::span<const u8> host_code) {
    if (names_code() && !host_code.empty()) name(host_code, "[kiln: entering and leaving units]");
}

void Observing::see_unit(const run::SeenUnit& unit) {
    if (report_) report_->add(unit);
    if (dump_) write_all(log_fd(), dump_->unit(unit, *symbols_));
    if (names_code() && !unit.host_code.empty()) {
        std::string text = symbols_->find(unit.pc).text();
        if (text.empty()) text = std::string_view(Hex(unit.pc.raw));
        name(unit.host_code, std::move(text));
    }
}

void Observing::see_link(const void* site, GuestAddr pc) {
    if (dump_) write_all(log_fd(), dump_->link(site, pc, *symbols_));
}

void Observing::see_sample(GuestAddr pc, u64 instructions) { report_->add_sample(pc, instructions); }

void Observing::see_fork() {
    // What cannot be begun in the child it goes without.
    if (perf_map_ && !perf_map_->begin()) perf_map_.reset();
    if (jitdump_ && !jitdump_->begin()) jitdump_.reset();
    for (const Named& named : named_) tell(named);
}

void Observing::name(std::span<const u8> host_code, std::string name) {
    named_.push_back({host_code, std::move(name)});
    tell(named_.back());
}

void Observing::tell(const Named& named) {
    if (perf_map_) perf_map_->add(named.host_code, named.name);
    if (jitdump_) jitdump_->add(named.host_code, named.name);
    if (gdb_jit_) gdb_jit_->add(named.host_code, named.name);
}

}  // namespace kiln::debug
