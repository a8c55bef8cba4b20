// `kiln run` and the qemu-user personalities: from options to a RunRequest (linux/guest.h), and the report at
// the end.
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/options.h"
#include "cli/command.h"
#include "cli/help.h"
#include "debug/gdb_server.h"
#include "debug/lockstep_report.h"
#include "debug/observing.h"
#include "debug/stats.h"
#include "linux/guest.h"
#include "linux/process.h"
#include "linux/sysroot.h"
#include "store/directory.h"

namespace kiln::cli {

namespace {

std::string_view variable_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

/// Whether this process has rights that its caller lacks: the program is set-uid or the like, and binfmt_misc
/// took over its rights (flag C). Then nothing that the caller chose may steer kiln.
bool has_more_rights_than_caller() { return getauxval(AT_SECURE) != 0; }

/// Whether kiln's own file gives such rights: then any option would be the caller's.
bool is_set_uid() {
    struct stat own;
    return stat("/proc/self/exe", &own) == 0 && (own.st_mode & (S_ISUID | S_ISGID)) != 0;
}

/// The guest's environment: ours with the changes that the options ask for. Variables of options that are not
/// for nested guests go: their work is done. In a set-uid guest all of kiln's go, because its nested guests
/// may not tell any more who wrote them.
std::vector<std::string> guest_environment(const Options& options, Dialect dialect, char* const* ours) {
    const bool trusted = !has_more_rights_than_caller();
    std::vector<std::string> gone = options.unset_env;
    for (size_t i = 0; i < option_count; i++) {
        const OptionInfo& option = info(static_cast<OptionId>(i));
        if ((option.passed_on && trusted) || !option.has_variable) continue;
        gone.push_back(variable_name(option));
        if ((dialect == Dialect::qemu || !trusted) && !option.qemu_variable.empty())
            gone.emplace_back(option.qemu_variable);
    }
    std::vector<std::string> environment;
    for (; *ours; ours++)
        if (std::ranges::find(gone, variable_of(*ours)) == gone.end()) environment.emplace_back(*ours);
    for (const std::string& assignment : options.set_env) {
        const auto old = std::ranges::find(environment, variable_of(assignment), variable_of);
        if (old != environment.end())
            *old = assignment;
        else
            environment.push_back(assignment);
    }
    return environment;
}

user::RunRequest request_for(const Personality& who, const Options& options, Words words) {
    user::RunRequest request;
    request.program = words[0];
    request.program_file =
        options.program_file ? static_cast<int>(*options.program_file) : opened_by_kernel();
    request.started_by_binfmt = who.caller != Caller::person;
    request.exec_name = options.exec_name.value_or(request.program);
    if (const u64 name = getauxval(AT_EXECFN); request.started_by_binfmt && name != 0)
        request.exec_name = reinterpret_cast<const char*>(name);
    request.args.assign(words.begin(), words.end());
    if (who.caller == Caller::binfmt_with_argv0 && words.size() > 1) request.args.erase(request.args.begin());
    if (options.argv0) request.args[0] = *options.argv0;
    request.environment = guest_environment(options, who.dialect, environ);
    const char* prefix = has_more_rights_than_caller() ? nullptr : std::getenv("QEMU_LD_PREFIX");
    request.sysroot = user::choose_sysroot(options.sysroot, prefix, who.machine);
    request.engine = engine_options(options);
    request.guest_base = options.guest_base;
    request.save_every = options.store_every;
    request.stack_bytes = options.stack_size.value_or(0);
    request.limits = options.limits;
    request.release = options.release;
    request.seed = options.seed;
    request.nested_options = options.nested_words();
    return request;
}

/// Where compiled code is kept; null: nowhere. Whoever has more rights than his caller trusts nobody's files; debuggers
/// and proofs want units made for them.
abi::UnitStore* store_for(const Options& options) {
    static std::optional<store::Directory> directory;
    bool proves = false;
    for (std::size_t i = 0; i < option_count; ++i)
        proves |= options.given[i] && info(static_cast<OptionId>(i)).group == OptionGroup::proof;
    if (options.store == StoreMode::off || has_more_rights_than_caller() || proves || options.gdb ||
        options.gdb_connection)
        return nullptr;
    std::optional<store::DirectoryOptions> place = store::place_of(options.store_dir);
    if (!place) return nullptr;
    place->writable = options.store == StoreMode::rw;
    place->layers = options.store_layers;
    directory.emplace(std::move(*place));
    return &*directory;
}

/// What report() needs when the guest ends, wherever that happens.
const Options* report_options = nullptr;
debug::Observing* observing = nullptr;

void report(const user::Process& process) {
    process.engine.settle_counts();
    const std::vector<NamedCount> calls = process.call_counts();
    debug::write_stats(report_options->stats, report_options->stats_file,
                       {.program = process.request.program, .syscalls = calls});
    if (observing != nullptr) observing->write_report(process.request.program);
}

}  // namespace

run::EngineOptions engine_options(const Options& options) {
    run::EngineOptions engine;
    engine.kind = options.engine;
    engine.opt = options.opt;
    engine.templates = options.translation == Translation::templates;
    engine.policy = {.hot_after = static_cast<u32>(options.hot_after),
                     .region_after = static_cast<u32>(options.region_after),
                     .adaptive = options.adaptive,
                     .alpha = options.ewma_alpha,
                     .decay = options.decay};
    engine.lift.max_instructions = static_cast<u32>(options.max_unit);
    engine.cache_bytes = options.cache_bytes;
    engine.cache_units = options.cache_units;
    constexpr u64 endless = run::Fuel::endless;
    engine.fuel = {.units = options.fuel_units.value_or(endless),
                   .passes = options.fuel_passes.value_or(endless),
                   .templates = options.fuel_templates.value_or(endless),
                   .begin = GuestAddr(options.compile_from.value_or(0)),
                   .end = GuestAddr(options.compile_to.value_or(endless))};
    engine.without_host = options.without_host;
    engine.chaos_seed = options.chaos;
    engine.count_jumps = options.stats != StatsFormat::off;
    return engine;
}

int run(const Personality& who, Words words) {
    Options options;
    if (has_more_rights_than_caller()) {
        if (is_set_uid())
            return complain(who,
                            "kiln may not be set-uid or set-gid itself; for guests that are: kiln binfmt "
                            "--install --credential=yes",
                            1);
    } else if (auto read = read_environment(options, environ, who.dialect); !read) {
        return complain(who, read.error().message, usage_status(who));
    }
    Result<size_t> used = 0;
    if (who.caller == Caller::person) used = read_arguments(options, words);
    if (!used) return complain(who, used.error().message, usage_status(who));

    if (options.help.asked) return print(who.dialect == Dialect::qemu ? qemu_help(who) : run_help());
    if (options.version.asked) return print(version_line(who));
    if (options.list_values) return print(values_help(*options.list_values));
    words = words.subspan(*used);
    if (words.empty()) return complain(who, "no program to run; --help explains", usage_status(who));
    LogItems items = options.trace;
    if (options.strace) items.add(LogItem::strace);
    if (auto opened = log_open(items, options.trace_file); !opened)
        return complain(who, opened.error().message, 1);

    user::RunRequest request = request_for(who, options, words);
    request.engine.store = store_for(options);
    request.engine.verify_store = options.store_verify;
    auto watching = debug::Observing::create(options);
    if (!watching) return complain(who, watching.error().message, 1);
    observing = watching->get();
    if (observing != nullptr) observing->attach(request.engine);
    if (options.stats != StatsFormat::off || observing != nullptr) {
        debug::start_stats();
        report_options = &options;
        request.at_exit = report;
    }
    debug::LockstepReport lockstep;
    if (options.lockstep != Lockstep::off) request.engine.lockstep = &lockstep;
    if (options.lockstep == Lockstep::stretch) request.engine.lockstep_steps = run::LockstepSteps::stretch;
    std::unique_ptr<debug::GdbServer> debugger;
    if (options.gdb_connection) {
        debugger = debug::GdbServer::go_on(*options.gdb_connection);
        request.debugger = debugger.get();
    } else if (options.gdb) {
        auto listening = debug::GdbServer::listen(*options.gdb);
        if (!listening) return complain(who, listening.error().message, 1);
        debugger = std::move(*listening);
        request.debugger = debugger.get();
    }
    std::optional<user::StartFailure> failure;
    const int status = user::run_program(request, failure);
    if (failure) return complain(who, failure->error.message, failure->exit_status);
    return status;
}

}  // namespace kiln::cli
