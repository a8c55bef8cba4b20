// reduce: makes a function smaller while a command still says that it shows the problem.
//
// Steps are tried from coarse to fine until none helps: branches become one-way, instructions go (a value's
// uses take another value of its type), frame states and immediates are emptied. Every candidate is well
// formed before the command sees it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "input.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "opt/passes.h"

namespace kiln::irtool {
namespace {

using namespace ir;

class Reducer {
  public:
    Reducer(Function f, std::string command)
        : best_(std::move(f)),
          command_(std::move(command)),
          path_(fmt::format("/tmp/irtool.{}.ir", getpid())) {}
    ~Reducer() { std::remove(path_.c_str()); }

    bool holds(const Function& f) {
        std::ofstream(path_) << print(f);
        std::string command = command_;
        for (std::size_t at = command.find("{}"); at != std::string::npos;
             at = command.find("{}", at + path_.size()))
            command.replace(at, 2, path_);
        ++tried_;
        return std::system(command.c_str()) == 0;
    }

    const Function& run() {
        bool smaller = true;
        while (smaller) {
            smaller = attempt([](Function& f) { opt::dead_code(f); });
            smaller |= each_block();
            smaller |= each_instruction();
        }
        return best_;
    }

    unsigned tried() const { return tried_; }

  private:
    /// Applies `change` to a copy and keeps that if it differs, is well formed and the command agrees.
    template <class Change>
    bool attempt(Change&& change) {
        Function candidate = best_;
        change(candidate);
        opt::unreachable_blocks(candidate);
        if (!verify(candidate) || print(candidate) == print(best_) || !holds(candidate)) return false;
        best_ = std::move(candidate);
        return true;
    }

    bool each_block() {
        bool smaller = false;
        for (u32 b = best_.block_count(); b-- > 0;) {
            if (b >= best_.block_count()) continue;
            const auto end = [b](Function& f) -> Inst& { return f[f[BlockId(b)].last]; };
            smaller |= attempt([&](Function& f) {
                Inst leave(Op::goto_pc);
                leave.origin = end(f).origin;
                f.remove(f[BlockId(b)].last);
                f.append(BlockId(b), leave);
            });
            // What is kept may have fewer blocks, and this one another number: then it has its turn again.
            const auto ways = [&] {
                if (b >= best_.block_count() || end(best_).op == Op::br) return std::size_t{0};
                return best_.edges_of(end(best_)).size();
            };
            for (std::size_t way = 0; way < ways(); ++way) {
                smaller |= attempt([&](Function& f) {
                    Inst branch(Op::br);
                    branch.origin = end(f).origin;
                    branch.edges[0] = f.edges_of(end(f))[way];
                    branch.edges[1] = EdgeId::none;
                    f.remove(f[BlockId(b)].last);
                    f.append(BlockId(b), branch);
                });
            }
            smaller |= fewer_cases(BlockId(b));
        }
        return smaller;
    }

    bool fewer_cases(BlockId b) {
        bool smaller = false;
        const auto count = [&] {
            if (index(b) >= best_.block_count()) return std::size_t{0};
            const Inst& inst = best_[best_[b].last];
            return inst.op == Op::switch_ ? best_.case_values(inst).size() : std::size_t{0};
        };
        for (std::size_t gone = count(); gone-- > 0;) {
            if (gone >= count()) continue;
            smaller |= attempt([&](Function& f) {
                Inst& inst = f[f[b].last];
                std::vector<SwitchCase> kept;
                for (std::size_t i = 0; i < f.case_values(inst).size(); ++i)
                    if (i != gone) kept.push_back({f.case_values(inst)[i], f.edges_of(inst)[i + 1]});
                inst.ways = f.add_ways(f.edges_of(inst)[0], kept);
            });
        }
        return smaller;
    }

    bool each_instruction() {
        bool smaller = false;
        for (u32 i = best_.value_count(); i-- > 0;) {
            const auto id = ValueId(i);
            if (i >= best_.value_count() || best_[id].block == BlockId::none) continue;
            const Op op = best_[id].op;
            if (op == Op::param || info(op).effects.terminator) continue;
            if (best_.result_type(id) == Type::none) {
                smaller |= attempt([id](Function& f) { f.remove(id); });
            } else {
                smaller |= replace(id);
            }
            if (best_[id].block == BlockId::none) continue;
            if (Function::has_frame(best_[id]) && best_[id].frame.count != 0)
                smaller |= attempt([id](Function& f) { f[id].frame.count = 0; });
            if (best_[id].imm != 0) smaller |= attempt([id](Function& f) { f[id].imm = 0; });
        }
        return smaller;
    }

    /// Removes a value; its uses, if there are any, take one of its operands or the constant 0.
    bool replace(ValueId id) {
        const Inst inst = best_[id];
        const Type type = best_.result_type(id);
        if (attempt([id](Function& f) { f.remove(id); })) return true;
        for (unsigned a = 0; a < arg_count(info(inst.op).shape); ++a) {
            if (best_.result_type(inst.args[a]) != type) continue;
            if (attempt([&](Function& f) { replace_uses(f, id, inst.args[a]); })) return true;
        }
        if (!(is_int(type) || type == Type::i1) || inst.op == Op::iconst) return false;
        return attempt([&](Function& f) {
            Inst zero(Op::iconst, type);
            zero.origin = inst.origin;
            const ValueId constant = f.insert_before(id, zero);
            replace_uses(f, id, constant);
        });
    }

    static void replace_uses(Function& f, ValueId old, ValueId replacement) {
        for (u32 b = 0; b < f.block_count(); ++b)
            f.for_each(BlockId(b), [&](ValueId, Inst& inst) {
                f.for_each_use(inst, [&](ValueId& v) {
                    if (v == old) v = replacement;
                });
            });
        f.remove(old);
    }

    Function best_;
    const std::string command_;
    const std::string path_;
    unsigned tried_ = 0;
};

}  // namespace

int reduce(const Arguments& arguments) {
    arguments.allow({"test"});
    const auto command = arguments.find("test");
    if (!command || command->find("{}") == std::string::npos)
        throw Unusable{"--test='COMMAND {}' expected: {} becomes the candidate's file"};
    Reducer reducer(read_one(arguments.operands(1)[0]), *command);
    if (!reducer.holds(read_one(arguments.operands(1)[0]))) {
        fmt::print(stderr, "irtool: the command does not exit with 0 on the function as it is\n");
        return exit_negative;
    }
    const std::string smallest = print(reducer.run());
    fmt::print(stderr, "irtool: {} candidates tried\n", reducer.tried());
    fmt::print("{}", smallest);
    return exit_good;
}

}  // namespace kiln::irtool
