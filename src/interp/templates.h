// Instruction templates: what lifting and flattening make of an instruction, found out once for each shape
// (abi::ShapedInstruction) and from then on copied with the operands filled in. A unit put together this
// way has the cells that flattening it would give it, at a tenth of the time.
//
// A template is not written by anybody: two instructions of the shape, all of whose operands differ, are
// lifted and flattened; a field of their cells must be equal in both, or differ as one operand does (the
// immediate and pc also as their sum). Where that fails the shape has no template, and its blocks take the
// long way. That two probes are enough to go by is what tests/interp/templates_test.cpp holds, for every
// instruction.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "abi/frontend.h"
#include "interp/code.h"
#include "interp/flatten.h"

namespace kiln::interp {

/// What is added to a 16-bit field of a cell.
enum class WordOperand : u8 { none, register0, register1, register2, register3, position };
/// What is added to a 64-bit field.
enum class ValueOperand : u8 { none, immediate, pc, target };  // target: pc + immediate
/// What Code::imm2 of a template's cell counts from.
enum class Reference : u8 { none, site, cell };

struct TemplateCell {
    Code code;  ///< with every operand 0; imm2: the number of a site or cell of the template
    WordOperand dst, a, b, c;
    ValueOperand imm;
    Reference reference;
};

/// Sites name their instruction alone: nothing of their frame is ever moved.
struct TemplateSite {
    FaultSite site;  ///< with pc and position 0
};

struct Template {
    bool exists = false;   ///< false: the shape takes the long way
    bool ends = false;     ///< the instruction ends its unit, else it goes on at next_base and `next`
    bool follows = false;  ///< it goes on where it jumps to, not behind the instruction
    ValueOperand next{};
    u16 cell_count = 0, site_count = 0;
    u32 first_cell = 0, first_site = 0;
    u64 next_base = 0;
};

/// A template and a cell as they are stored in the program: without the addresses of handlers, which would
/// have to be relocated at each start.
struct StoredTemplate {
    u64 key;  ///< of Templates; ascending
    Template made;
};
struct StoredCell {
    u16 handler;
    TemplateCell cell;
};
/// Templates found out when Kiln was built (tools/make_templates).
struct TemplateTable {
    std::span<const StoredTemplate> rows;
    std::span<const StoredCell> cells;
    std::span<const FaultSite> sites;
    Handler (*handler)(u16 number);
};
/// Those of the shapes that most riscv64 programs have.
extern const TemplateTable riscv64_templates;

/// The templates known so far. What is not stored is learnt when it is first asked for. One thread at a time.
class Templates {
  public:
    /// All stay the caller's and must outlive it; `stored` may be null.
    Templates(const abi::Frontend& frontend, Flattener& flattener, const TemplateTable* stored);

    /// The number of the template of an instruction as it is where LiftOptions::extend is as given.
    u32 find(const abi::ShapedInstruction& instruction, bool extend);
    const Template& operator[](u32 number) const { return templates_[number]; }
    std::span<const TemplateCell> cells(const Template& of) const {
        return std::span(cells_).subspan(of.first_cell, of.cell_count);
    }
    /// With pc and position 0; none moves anything.
    std::span<const FaultSite> sites(const Template& of) const {
        return std::span(sites_).subspan(of.first_site, of.site_count);
    }
    /// What each template is found by, with its number.
    std::vector<std::pair<u64, u32>> keys() const;

  private:
    struct Entry {
        u64 key = 0;  // 0: free
        u32 number = 0;
    };

    Template learn(const abi::ShapedInstruction& instruction, bool extend);
    bool load(u64 key);
    void grow();

    const abi::Frontend& frontend_;
    Flattener& flattener_;
    const TemplateTable* const stored_;
    std::vector<Entry> entries_;  // open addressing; a power of two of them
    std::vector<Template> templates_;
    std::vector<TemplateCell> cells_;
    std::vector<FaultSite> sites_;
    std::vector<Handler> handlers_;  // by their numbers in stored_; null: not asked for yet
    ir::Function probe_;
};

/// Puts units together from templates. One thread at a time.
class Assembler {
  public:
    /// As for Templates.
    Assembler(const abi::Frontend& frontend, Flattener& flattener, const TemplateTable* stored);

    /// What Flattener::flatten() would make of Frontend::lift() (but that constants are not carried from one
    /// instruction to the next), and in `lifted` what it covers. Null when it must be made that way: some
    /// instruction has no template, or the first cannot be fetched.
    std::unique_ptr<Unit> assemble(GuestAddr pc, abi::CodeSource& code, const abi::LiftOptions& options,
                                   abi::Lifted& lifted);

  private:
    /// An instruction of the unit under way.
    struct Step {
        u32 made_from;  // the template's number
        GuestAddr pc;
        abi::ShapedInstruction instruction;
    };

    /// An instruction met lately, found again by its bytes: most come again, if only because units are made
    /// once cold and once warm.
    struct Recent {
        u32 word = 1;
        u32 mask = 0;  ///< the bytes of the instruction; 0 (which matches nothing): none
        u32 made_from = 0;
        abi::ShapedInstruction instruction;
    };
    static constexpr unsigned recent_bits = 9;

    bool take_apart(std::span<const u8> code, Step& step);
    bool scan(GuestAddr pc, abi::CodeSource& code, const abi::LiftOptions& options, abi::Extent& extent);
    u32 follow(Step& step, const abi::Extent& extent);
    void note_constants(const Step& step);

    const abi::Frontend& frontend_;
    const u16 pc_word_;
    Templates templates_;
    std::vector<Recent> recent_;  // by a hash of the first two bytes
    // The unit under way.
    std::vector<Step> steps_;
    std::size_t cell_count_ = 0, site_count_ = 0;
    GuestAddr next_;      // behind its last instruction
    bool ended_ = false;  // which ends it
    abi::KnownWords known_;
};

}  // namespace kiln::interp
