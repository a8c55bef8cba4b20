#include "ir/print.h"

#include <fmt/format.h>

namespace kiln::ir {
namespace {

class Printer {
  public:
    explicit Printer(const Function& f) : f_(f), numbers_(f.value_count(), unnumbered) {}

    std::string function() {
        number_all();
        fmt::format_to(out(), "function {} {:#x} {{\n", f_.env().layout->name, f_.entry().raw);
        OriginId origin = OriginId::none;
        for (u32 b = 0; b < f_.block_count(); ++b) {
            const Block& block = f_[BlockId(b)];
            fmt::format_to(out(), "b{}", b);
            if (!block.params.empty()) {
                std::string_view separator = "(";
                for (ValueId p : block.params) {
                    fmt::format_to(out(), "{}{}: {}", separator, value(p), name(f_[p].type));
                    separator = ", ";
                }
                text_ += ')';
            }
            text_ += ":\n";
            f_.for_each(BlockId(b), [&](ValueId id, const Inst& inst) {
                if (inst.origin != origin) origin_line(inst.origin);
                origin = inst.origin;
                text_ += "  ";
                instruction(id);
                text_ += '\n';
            });
            origin = OriginId::none;
        }
        text_ += "}\n";
        return std::move(text_);
    }

    std::string one(ValueId id) {
        for (u32 i = 0; i < numbers_.size(); ++i) numbers_[i] = i;
        instruction(id);
        return std::move(text_);
    }

  private:
    static constexpr u32 unnumbered = ~u32{0};

    std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }

    /// `@pc:` of `id`, after the lines of the origins before it that have no instruction: so origins keep
    /// their numbers, which count the guest instructions executed.
    void origin_line(OriginId id) {
        if (id == OriginId::none) {
            text_ += "@none:\n";
            return;
        }
        if (index(id) < next_origin_) {
            fmt::format_to(out(), "@{:#x} #{}:\n", f_[id].raw, index(id));
            return;
        }
        for (; next_origin_ <= index(id); ++next_origin_)
            fmt::format_to(out(), "@{:#x}:\n", f_[OriginId(next_origin_)].raw);
    }

    void number_all() {
        u32 next = 0;
        for (u32 b = 0; b < f_.block_count(); ++b) {
            for (ValueId p : f_[BlockId(b)].params) numbers_[index(p)] = next++;
            f_.for_each(BlockId(b), [&](ValueId id, const Inst&) {
                if (f_.result_type(id) != Type::none) numbers_[index(id)] = next++;
            });
        }
    }

    std::string value(ValueId id) const {
        if (id == ValueId::none || index(id) >= numbers_.size()) return "%<none>";
        if (numbers_[index(id)] == unnumbered) return fmt::format("%<removed {}>", index(id));
        return fmt::format("%{}", numbers_[index(id)]);
    }

    std::string values(std::span<const ValueId> list) const {
        std::string text;
        for (ValueId v : list) text += (text.empty() ? "" : ", ") + value(v);
        return text;
    }

    std::string edge(EdgeId id) const {
        const Edge& e = f_[id];
        std::string text = fmt::format("b{}", index(e.target));
        if (e.args.count != 0) text += "(" + values(f_.values(e.args)) + ")";
        return text;
    }

    // Slots and helpers that do not exist are printed too: the verifier's messages show them.
    std::string_view slot(SlotId id) const {
        const StateLayout& layout = *f_.env().layout;
        return static_cast<std::size_t>(id) < layout.slots.size() ? layout[id].name : "<bad>";
    }
    std::string_view helper(HelperId id) const {
        return static_cast<std::size_t>(id) < f_.env().helpers.size() ? f_.env()[id].name : "<bad>";
    }

    void instruction(ValueId id) {
        const Inst& inst = f_[id];
        const OpInfo& op = info(inst.op);
        if (f_.result_type(id) != Type::none) fmt::format_to(out(), "{} = ", value(id));
        text_ += op.name;
        if (inst.type != Type::none) fmt::format_to(out(), ".{}", name(inst.type));
        const u8 attrs[2] = {inst.attr0, inst.attr1};
        for (unsigned i = 0; i < 2; ++i)
            if (op.attrs[i] != AttrGroup::none)
                fmt::format_to(out(), ".{}", attr_name(op.attrs[i], attrs[i]).value_or("<bad>"));
        if (inst.space != Space::flat)
            fmt::format_to(out(), ".{}",
                           attr_name(AttrGroup::Space, static_cast<u8>(inst.space)).value_or("<bad>"));
        operands(inst, op.shape);
        if (Function::has_frame(inst) && inst.frame.count != 0) {
            text_ += " [";
            std::string_view separator;
            for (const FrameEntry& e : f_.frame(inst.frame)) {
                fmt::format_to(out(), "{}{}={}", separator, slot(e.slot), value(e.value));
                separator = " ";
            }
            text_ += ']';
        }
    }

    void operands(const Inst& inst, Shape shape) {
        switch (shape) {
            case Shape::nullary:
            case Shape::trap:
            case Shape::param: break;
            case Shape::imm: fmt::format_to(out(), " {:#x}", inst.imm); break;
            case Shape::effect:
            case Shape::unary:
            case Shape::binary:
            case Shape::ternary:
            case Shape::select:
            case Shape::compare:
            case Shape::convert:
            case Shape::pair:
            case Shape::half:
            case Shape::rmw:
            case Shape::cas: fmt::format_to(out(), " {}", values({inst.args, arg_count(shape)})); break;
            case Shape::get: fmt::format_to(out(), " {}", slot(inst.slot)); break;
            case Shape::put: fmt::format_to(out(), " {}, {}", slot(inst.slot), value(inst.args[0])); break;
            case Shape::extract: fmt::format_to(out(), " {}, {}", value(inst.args[0]), inst.imm); break;
            case Shape::load:
                fmt::format_to(out(), " {}, {}", value(inst.args[0]), static_cast<i64>(inst.imm));
                break;
            case Shape::insert:
            case Shape::store:
                fmt::format_to(out(), " {}, {}, {}", value(inst.args[0]), static_cast<i64>(inst.imm),
                               value(inst.args[1]));
                break;
            case Shape::call:
                fmt::format_to(out(), " {}({})", helper(inst.helper), values(f_.values(inst.list)));
                break;
            case Shape::guard: fmt::format_to(out(), " {}, {:#x}", value(inst.args[0]), inst.imm); break;
            case Shape::br: fmt::format_to(out(), " {}", edge(inst.edges[0])); break;
            case Shape::br_if:
                fmt::format_to(out(), " {}, {}, {}", value(inst.args[0]), edge(inst.edges[0]),
                               edge(inst.edges[1]));
                break;
            case Shape::switch_: {
                const auto edges = f_.edges_of(inst);
                const auto cases = f_.case_values(inst);
                fmt::format_to(out(), " {}, {}", value(inst.args[0]), edge(edges[0]));
                for (std::size_t i = 0; i < cases.size(); ++i)
                    fmt::format_to(out(), ", {:#x}: {}", cases[i], edge(edges[i + 1]));
                break;
            }
            case Shape::goto_pc:
                fmt::format_to(out(), " {:#x}", inst.imm);
                if (inst.hint() == Hint::call) fmt::format_to(out(), ", {:#x}", inst.imm2);
                break;
            case Shape::goto_ind:
                fmt::format_to(out(), " {}", value(inst.args[0]));
                if (inst.hint() == Hint::call) fmt::format_to(out(), ", {:#x}", inst.imm2);
                break;
            case Shape::leave: fmt::format_to(out(), " {:#x}", inst.imm); break;
            case Shape::count: fmt::format_to(out(), " {}", static_cast<i64>(inst.imm)); break;
        }
    }

    const Function& f_;
    std::vector<u32> numbers_;
    std::string text_;
    u32 next_origin_ = 0;  // the first origin without a line
};

}  // namespace

std::string print(const Function& f) { return Printer(f).function(); }
std::string print(const Function& f, ValueId id) { return Printer(f).one(id); }

}  // namespace kiln::ir
