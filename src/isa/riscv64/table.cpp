// The rows of the instruction table and the names of the extensions.
#include "isa/riscv64/table.h"

#include "base/check.h"
#include "isa/riscv64/encodings.h"

namespace kiln::riscv64 {
namespace {

constexpr InstInfo read_row(std::string_view id_text, InstId id, Extension extension, std::string_view bits,
                            std::string_view operands, std::string_view meaning) {
    InstInfo row{id, extension, {}, bits, operands, meaning};
    if (id_text.back() == '_') id_text.remove_suffix(1);
    KILN_CHECK(id_text.size() < row.mnemonic_text.size());
    for (std::size_t i = 0; i < id_text.size(); ++i)
        row.mnemonic_text[i] = id_text[i] == '_' ? '.' : id_text[i];
    return row;
}

/// Indexed by InstId.
constexpr InstInfo rows[] = {
    read_row("illegal", InstId::illegal, Extension::i, "", "", "No instruction, or a reserved encoding."),
#define RV_INST(id, bits, format, lift_as, operands, extension, meaning) \
    read_row(#id, InstId::id, Extension::extension, bits, operands, meaning),
#include "isa/riscv64/instructions.def"
#undef RV_INST
};

constexpr std::string_view extension_names[] = {
#define RV_EXTENSION(id, name, meaning) name,
#include "isa/riscv64/extensions.def"
#undef RV_EXTENSION
};

}  // namespace

std::string_view extension_name(Extension extension) {
    return extension_names[static_cast<std::size_t>(extension)];
}

const Encoding& InstInfo::encoding() const { return detail::encodings[static_cast<std::size_t>(id)]; }

const InstInfo& info(InstId id) { return rows[static_cast<std::size_t>(id)]; }

std::span<const InstInfo> all_instructions() { return std::span(rows).subspan(1); }

}  // namespace kiln::riscv64
