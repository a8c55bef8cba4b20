// make_templates WORDS: runs when Kiln is built, and prints as C++ the templates (interp/templates.h) of the
// instructions in the file WORDS, so that a short process need not learn them. The file names a shape a line,
// by any instruction of it, in hexadecimal; lines that begin with ';' are comments.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "interp/handlers.h"
#include "interp/templates.h"
#include "lift/riscv64/frontend.h"

namespace kiln::interp {
namespace {

/// Handlers by the C++ expression that gives them: those of integer code. Templates with others are not stored.
std::map<Handler, std::string> handler_names() {
    std::map<Handler, std::string> names;
    const auto add = [&](Handler handler, std::string expression) {
        if (handler != nullptr) names.emplace(handler, std::move(expression));
    };
    const auto number = [](auto value) { return static_cast<unsigned>(value); };
    constexpr ir::Type types[] = {ir::Type::i8, ir::Type::i16, ir::Type::i32, ir::Type::i64};
    for (ir::Type type : types) {
        const std::string t = fmt::format("ir::Type({})", number(type));
        for (unsigned op = 0; op < ir::op_count; ++op) {
            const ir::OpInfo& info = ir::info(ir::Op(op));
            if (info.types == ir::TypeRule::fp) continue;
            if (info.shape == ir::Shape::unary)
                add(unary_handler(ir::Op(op), type), fmt::format("unary_handler(ir::Op({}), {})", op, t));
            if (info.shape != ir::Shape::binary) continue;
            for (Form form : {Form::word, Form::constant})
                for (Extend extend : {Extend::zero, Extend::sign})
                    add(binary_handler(ir::Op(op), type, form, extend),
                        fmt::format("binary_handler(ir::Op({}), {}, Form({}), Extend({}))", op, t,
                                    number(form), number(extend)));
        }
        for (u8 cond = 0; cond < 6; ++cond)
            for (Form form : {Form::word, Form::constant}) {
                const std::string rest = fmt::format("(ir::Cond({}), {}, Form({}))", cond, t, number(form));
                add(compare_handler(ir::Cond(cond), type, form), "compare_handler" + rest);
                add(compare_exit_handler(ir::Cond(cond), type, form), "compare_exit_handler" + rest);
            }
        for (Extend extend : {Extend::zero, Extend::sign})
            add(load_handler(type, extend), fmt::format("load_handler({}, Extend({}))", t, number(extend)));
        add(store_handler(type, ir::Order::relaxed), fmt::format("store_handler({}, ir::Order::relaxed)", t));
        add(sign_extend_handler(type, ir::Type::i64),
            fmt::format("sign_extend_handler({}, ir::Type::i64)", t));
    }
    add(move_handler(), "move_handler()");
    add(constant_handler(), "constant_handler()");
    add(fence_handler(), "fence_handler()");
    add(exit_direct_handler(), "exit_direct_handler()");
    add(exit_indirect_handler(), "exit_indirect_handler()");
    add(leave_handler(abi::ExitReason::syscall), "leave_handler(abi::ExitReason::syscall)");
    return names;
}

/// What stands in the generated file for a template's cells.
struct Writer {
    std::map<Handler, std::string> names = handler_names();
    std::map<Handler, unsigned> numbers;
    std::string rows, cells, sites, handlers;
    std::size_t cell_count = 0, site_count = 0;

    static std::string site(const FaultSite& s) {
        return fmt::format("    {{0, nullptr, {:#x}, 0, {}, 0}},\n", s.side_exit, s.pc_slot);
    }
    std::string cell(const TemplateCell& c) {
        const auto [entry, added] = numbers.emplace(c.code.run, static_cast<unsigned>(numbers.size()));
        if (added)
            handlers += fmt::format("        case {}: return {};\n", entry->second, names.at(c.code.run));
        const auto n = [](auto value) { return static_cast<unsigned>(value); };
        return fmt::format(
            "    {{{}, {{{{nullptr, {}, {}, {}, {}, {:#x}, {:#x}}}, WordOperand({}), WordOperand({}), "
            "WordOperand({}), WordOperand({}), ValueOperand({}), Reference({})}}}},\n",
            entry->second, c.code.dst, c.code.a, c.code.b, c.code.c, c.code.imm, c.code.imm2, n(c.dst),
            n(c.a), n(c.b), n(c.c), n(c.imm), n(c.reference));
    }
    void add(const Templates& known, u64 key, const Template& t) {
        if (!t.exists) return;
        const auto its_cells = known.cells(t);
        for (const TemplateCell& c : its_cells)
            if (!names.contains(c.code.run)) return;
        rows += fmt::format("    {{{:#x}, {{true, {}, {}, ValueOperand({}), {}, {}, {}, {}, {:#x}}}}},\n",
                            key, t.ends, t.follows, static_cast<unsigned>(t.next), t.cell_count, t.site_count,
                            cell_count, site_count, t.next_base);
        for (const TemplateCell& c : its_cells) cells += cell(c);
        for (const FaultSite& s : known.sites(t)) sites += site(s);
        cell_count += t.cell_count;
        site_count += t.site_count;
    }
};

int make(const char* path) {
    std::ifstream file(path);
    const abi::Frontend& frontend = riscv64::frontend();
    Flattener flattener;
    Templates known(frontend, flattener, nullptr);
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line.front() == ';') continue;
        const u32 word = static_cast<u32>(std::stoul(line, nullptr, 16));
        abi::ShapedInstruction instruction;
        frontend.take_apart({reinterpret_cast<const u8*>(&word), sizeof word}, instruction);
        if (known[known.find(instruction, false)].ends) known.find(instruction, true);
    }
    std::vector<std::pair<u64, u32>> keys = known.keys();
    std::sort(keys.begin(), keys.end());
    Writer out;
    for (const auto& [key, number] : keys) out.add(known, key, known[number]);
    fmt::print(
        "// Made by make_templates from {}.\n"
        "#include \"interp/handlers.h\"\n#include \"interp/templates.h\"\n\n"
        "namespace kiln::interp {{\nnamespace {{\n\n"
        "constexpr StoredTemplate rows[] = {{\n{}}};\nconstexpr StoredCell cells[] = {{\n{}}};\n"
        "constexpr FaultSite sites[] = {{\n{}}};\n\n"
        "Handler handler(u16 number) {{\n    switch (number) {{\n{}    }}\n    return nullptr;\n}}\n\n"
        "}}  // namespace\n\n"
        "const TemplateTable riscv64_templates = {{rows, cells, sites, handler}};\n\n"
        "}}  // namespace kiln::interp\n",
        std::string_view(path).substr(std::string_view(path).find_last_of('/') + 1), out.rows, out.cells,
        out.sites, out.handlers);
    return out.rows.empty() ? 1 : 0;
}

}  // namespace
}  // namespace kiln::interp

int main(int argc, char** argv) {
    if (argc == 2) return kiln::interp::make(argv[1]);
    std::fputs("usage: make_templates WORDS\n", stderr);
    return 2;
}
