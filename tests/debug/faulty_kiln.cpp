// Makes kiln wrong on purpose, for tests of what finds faults. Linked with all of kiln into an executable of its own,
// faulty_kiln, which does as KILN_TEST_FAULT says:
//
//   compile FROM TO      tier 1 compiles the IR operation FROM as TO
//   pass N FROM TO       so it is when N passes have run, or more
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>

#include "run/tamper.h"

namespace kiln {
namespace {

struct Fault {
    run::TamperPoint point;
    u64 least;
    ir::Op from, to;
};
std::optional<Fault> fault;

ir::Op operation(std::string_view name) {
    for (unsigned i = 0; i < ir::op_count; ++i)
        if (ir::info(ir::Op(i)).name == name) return ir::Op(i);
    std::abort();
}

void change(ir::Function& f, run::TamperPoint point, u64 count) {
    if (point != fault->point || count < fault->least) return;
    for (u32 block = 0; block < f.block_count(); ++block)
        f.for_each(ir::BlockId(block), [](ir::ValueId, ir::Inst& inst) {
            if (inst.op == fault->from) inst.op = fault->to;
        });
}

[[gnu::constructor]] void read_fault() {
    const char* const text = std::getenv("KILN_TEST_FAULT");
    if (text == nullptr) return;
    std::istringstream words(text);
    std::string kind, from, to;
    u64 least = 0;
    words >> kind;
    if (kind == "pass") words >> least;
    words >> from >> to;
    fault = {kind == "pass" ? run::TamperPoint::passes : run::TamperPoint::compiling, least, operation(from),
             operation(to)};
    run::tamper = change;
}

}  // namespace
}  // namespace kiln
