// A recursive-descent reader driven by the shapes of op.h. Values may be used before the line that
// defines them (loops), so uses are written as text numbers first and resolved at the end.
#include "ir/parse.h"

#include <charconv>
#include <map>

#include <fmt/format.h>

namespace kiln::ir {
namespace {

constexpr bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

class Parser {
  public:
    Parser(std::string_view text, Function& f) : text_(text), f_(f) {}

    Result<void> function() {
        skip();
        expect_word("function");
        const std::string_view layout = word("the state layout's name");
        if (ok() && layout != f_.env().layout->name)
            error(fmt::format("the function is for state layout '{}', not '{}'", layout,
                              f_.env().layout->name));
        f_.clear(GuestAddr(number()));
        expect('{');
        while (ok() && !accept('}')) line();
        resolve();
        if (!ok()) return fail(std::move(message_));
        return {};
    }

    std::string_view rest() const { return text_.substr(at_); }

  private:
    bool ok() const { return message_.empty(); }

    void error(std::string message) {
        if (ok()) message_ = fmt::format("line {}: {}", line_, message);
    }

    void skip() {
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\n') {
                ++line_;
            } else if (c == ';') {
                while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
            } else if (c != ' ' && c != '\t' && c != '\r') {
                return;
            }
        }
    }

    bool accept(char c) {
        skip();
        if (!ok() || at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    void expect(char c) {
        if (!accept(c)) error(fmt::format("'{}' expected", c));
    }

    std::string_view word(std::string_view what) {
        skip();
        std::size_t end = at_;
        while (end < text_.size() && is_word(text_[end])) ++end;
        if (end == at_) error(fmt::format("{} expected", what));
        const std::string_view found = text_.substr(at_, end - at_);
        at_ = end;
        return found;
    }

    void expect_word(std::string_view wanted) {
        if (word(wanted) != wanted) error(fmt::format("'{}' expected", wanted));
    }

    u64 number() {
        const bool negative = accept('-');
        std::string_view digits = word("a number");
        int base = 10;
        if (digits.starts_with("0x")) {
            digits.remove_prefix(2);
            base = 16;
        }
        u64 value = 0;
        const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
        if (code != std::errc() || end != digits.data() + digits.size()) error("a number expected");
        return negative ? 0 - value : value;
    }

    /// A number; a negative one is cut to `type`.
    u64 constant(Type type) {
        const bool negative = accept_peek('-');
        const u64 value = number();
        return negative ? value & type_mask(type) : value;
    }

    /// %N; the number as written.
    u32 value_number() {
        expect('%');
        const u64 n = number();
        if (n > max_number) error("the value's number is too large");
        return static_cast<u32>(n);
    }

    /// A use of %N: until resolve(), the ValueId holds N itself.
    ValueId use() { return ValueId(value_number()); }

    std::vector<ValueId> uses(char close) {
        std::vector<ValueId> list;
        if (accept(close)) return list;
        do list.push_back(use());
        while (accept(','));
        expect(close);
        return list;
    }

    void define(u32 number, ValueId id) {
        if (ok() && !defined_.emplace(number, id).second) error(fmt::format("%{} is defined twice", number));
    }

    Type type() {
        const std::string_view text = word("a type");
        for (std::size_t i = 1; i < type_count; ++i)
            if (name(Type(i)) == text) return Type(i);
        error(fmt::format("'{}' is not a type", text));
        return Type::none;
    }

    SlotId slot() {
        const std::string_view text = word("a state slot");
        if (const auto found = f_.env().layout->find(text)) return *found;
        error(fmt::format("'{}' is not a state slot", text));
        return SlotId(0);
    }

    BlockId block_name() {
        const std::string_view text = word("a block");
        if (!ok()) return BlockId::none;
        u32 number = 0;
        const auto [end, code] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
        if (text[0] != 'b' || code != std::errc() || end != text.data() + text.size() || number > max_number)
            error(fmt::format("'{}' is not a block", text));
        return BlockId(number);
    }

    void line() {
        skip();
        if (accept('@')) {
            origin();
            expect(':');
            return;
        }
        if (accept('%')) {
            --at_;
            const u32 number = value_number();
            expect('=');
            instruction(word("an operation"), number);
            return;
        }
        const int first_line = line_;
        const std::size_t start = at_;
        const std::string_view text = word("a block or an operation");
        skip();
        if (at_ < text_.size() && (text_[at_] == ':' || text_[at_] == '(') && text.starts_with("b") &&
            text.size() > 1 && text[1] >= '0' && text[1] <= '9') {
            at_ = start;
            line_ = first_line;
            block_header();
            return;
        }
        instruction(text, no_number);
    }

    /// After '@': `none`, a new origin's pc, or pc and number of one that was there before.
    void origin() {
        if (accept_peek('n')) {
            expect_word("none");
            origin_ = OriginId::none;
            return;
        }
        const GuestAddr pc(number());
        if (!accept('#')) {
            origin_ = f_.add_origin(pc);
            ++origin_count_;
            return;
        }
        const u64 n = number();
        if (!ok()) return;
        if (n >= origin_count_ || f_[OriginId(n)] != pc)
            error(fmt::format("origin {} is not at {:#x}", n, pc.raw));
        else
            origin_ = OriginId(n);
    }

    void block_header() {
        const BlockId id = block_name();
        if (ok() && index(id) != f_.block_count()) error(fmt::format("b{} expected", f_.block_count()));
        if (!ok()) return;
        block_ = f_.add_block();
        origin_ = OriginId::none;
        if (accept('(')) {
            do {
                const u32 number = value_number();
                expect(':');
                const Type t = type();
                if (ok()) define(number, f_.add_param(block_, t));
            } while (accept(','));
            expect(')');
        }
        expect(':');
    }

    void instruction(std::string_view op_text, u32 number) {
        if (block_ == BlockId::none) error("a block header expected before the first instruction");
        std::optional<Op> op;
        for (std::size_t i = 0; i < op_count; ++i)
            if (name(Op(i)) == op_text && Op(i) != Op::param) op = Op(i);
        if (!op) error(fmt::format("'{}' is not an operation", op_text));
        if (!ok()) return;

        Inst inst(*op);
        const OpInfo& row = info(*op);
        const bool typed = row.types != TypeRule::none && (*op != Op::call || accept_peek('.'));
        if (typed) {
            expect('.');
            inst.type = type();
        }
        u8* const attrs[2] = {&inst.attr0, &inst.attr1};
        for (unsigned i = 0; i < 2; ++i)
            if (row.attrs[i] != AttrGroup::none) *attrs[i] = attr(row.attrs[i]);
        if (row.spaced && accept_peek('.')) inst.space = Space(attr(AttrGroup::Space));
        operands(inst, row.shape);
        if (Function::has_frame(inst)) inst.frame = frame();
        if (!ok()) return;
        inst.origin = origin_;
        const ValueId id = f_.append(block_, inst);
        const bool has_result = f_.result_type(id) != Type::none;
        if (has_result != (number != no_number))
            error(fmt::format("'{}' {}", op_text,
                              has_result ? "defines a value: '%N =' expected" : "defines no value"));
        if (has_result) define(number, id);
    }

    bool accept_peek(char c) {
        skip();
        return at_ < text_.size() && text_[at_] == c;
    }

    u8 attr(AttrGroup group) {
        expect('.');
        const std::string_view text = word("an attribute");
        if (const auto found = find_attr(group, text)) return *found;
        error(fmt::format("'{}' is not one of the attributes this operation takes", text));
        return 0;
    }

    void operands(Inst& inst, Shape shape) {
        switch (shape) {
            case Shape::param:
            case Shape::nullary:
            case Shape::trap: break;
            case Shape::imm: inst.imm = constant(inst.type); break;
            case Shape::count:
            case Shape::leave: inst.imm = number(); break;
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
            case Shape::cas:
                for (unsigned i = 0; i < arg_count(shape); ++i) {
                    if (i != 0) expect(',');
                    inst.args[i] = use();
                }
                break;
            case Shape::get: inst.slot = slot(); break;
            case Shape::put:
                inst.slot = slot();
                expect(',');
                inst.args[0] = use();
                break;
            case Shape::load:
            case Shape::extract:
            case Shape::guard:
                inst.args[0] = use();
                expect(',');
                inst.imm = number();
                break;
            case Shape::store:
            case Shape::insert:
                inst.args[0] = use();
                expect(',');
                inst.imm = number();
                expect(',');
                inst.args[1] = use();
                break;
            case Shape::call: {
                const std::string_view helper = word("a helper");
                if (const auto found = f_.env().find_helper(helper))
                    inst.helper = *found;
                else
                    error(fmt::format("'{}' is not a helper", helper));
                expect('(');
                inst.list = f_.add_values(uses(')'));
                break;
            }
            case Shape::br:
                inst.edges[0] = edge();
                inst.edges[1] = EdgeId::none;
                break;
            case Shape::br_if:
                inst.args[0] = use();
                for (EdgeId& e : inst.edges) {
                    expect(',');
                    e = edge();
                }
                break;
            case Shape::switch_: {
                inst.args[0] = use();
                expect(',');
                const EdgeId otherwise = edge();
                std::vector<SwitchCase> cases;
                while (accept(',')) {
                    const u64 value = constant(inst.type);
                    expect(':');
                    cases.push_back({value, edge()});
                }
                inst.ways = f_.add_ways(otherwise, cases);
                break;
            }
            case Shape::goto_pc:
                inst.imm = number();
                return_address(inst);
                break;
            case Shape::goto_ind:
                inst.args[0] = use();
                return_address(inst);
                break;
        }
    }

    void return_address(Inst& inst) {
        if (inst.hint() != Hint::call) return;
        expect(',');
        inst.imm2 = number();
    }

    EdgeId edge() {
        const BlockId target = block_name();
        std::vector<ValueId> args;
        if (accept('(')) args = uses(')');
        return f_.add_edge(target, args);
    }

    Range frame() {
        if (!accept('[')) return {};
        std::vector<FrameEntry> entries;
        while (ok() && !accept(']')) {
            const SlotId s = slot();
            expect('=');
            entries.push_back({s, use()});
        }
        return f_.add_frame(entries);
    }

    /// Turns the numbers that uses were written as into the ids of their definitions.
    void resolve() {
        for (u32 b = 0; ok() && b < f_.block_count(); ++b)
            f_.for_each(BlockId(b), [&](ValueId, Inst& inst) {
                f_.for_each_use(inst, [&](ValueId& v) {
                    const auto found = defined_.find(index(v));
                    if (found == defined_.end())
                        error(fmt::format("%{} is used and never defined", index(v)));
                    else
                        v = found->second;
                });
            });
    }

    static constexpr u32 no_number = ~u32{0};
    static constexpr u32 max_number = 1u << 24;

    std::string_view text_;
    Function& f_;
    std::size_t at_ = 0;
    int line_ = 1;
    BlockId block_ = BlockId::none;
    OriginId origin_ = OriginId::none;
    u32 origin_count_ = 0;
    std::map<u32, ValueId> defined_;
    std::string message_;
};

}  // namespace

Result<void> parse(std::string_view& text, Function& f) {
    Parser parser(text, f);
    const Result<void> result = parser.function();
    text = parser.rest();
    return result;
}

}  // namespace kiln::ir
