#include "debug/gdb_jit.h"

#include <elf.h>

#include <string>

// The interface: GDB puts a breakpoint on the function and reads the variable by their names.
extern "C" {
struct jit_code_entry {
    jit_code_entry* next_entry;
    jit_code_entry* prev_entry;
    const char* symfile_addr;
    uint64_t symfile_size;
};
struct jit_descriptor {
    uint32_t version;
    uint32_t action_flag;
    jit_code_entry* relevant_entry;
    jit_code_entry* first_entry;
};
[[gnu::noinline, gnu::used]] void __jit_debug_register_code() { asm volatile("" ::: "memory"); }
[[gnu::used]] jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};
}

namespace kiln::debug {
namespace {

constexpr uint32_t register_action = 1, unregister_action = 2;

void tell(uint32_t action, jit_code_entry& entry) {
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_descriptor.relevant_entry = &entry;
    __jit_debug_register_code();
}

/// The smallest object file that names a piece of code: GDB relocates nothing, since the section says where it is.
struct ObjectFile {
    enum : uint16_t { none, text, symbols, strings, sections };
    static constexpr char string_table[] = "\0.text\0.symtab\0.strtab";
    static constexpr uint32_t text_name = 1, symbols_name = 7, strings_name = 15,
                              function_name = sizeof string_table;

    Elf64_Ehdr header{};
    Elf64_Shdr section[sections]{};
    Elf64_Sym symbol[2]{};

    ObjectFile(std::span<const u8> code, size_t string_bytes) {
        constexpr unsigned char ident[EI_NIDENT] = {ELFMAG0,    ELFMAG1,     ELFMAG2,   ELFMAG3,
                                                    ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
        for (int i = 0; i < EI_NIDENT; i++) header.e_ident[i] = ident[i];
        header.e_type = ET_EXEC;
        header.e_machine = EM_X86_64;
        header.e_version = EV_CURRENT;
        header.e_shoff = offsetof(ObjectFile, section);
        header.e_ehsize = sizeof header;
        header.e_shentsize = sizeof section[0];
        header.e_shnum = sections;
        header.e_shstrndx = strings;
        section[text] = {.sh_name = text_name,
                         .sh_type = SHT_NOBITS,
                         .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                         .sh_addr = reinterpret_cast<u64>(code.data()),
                         .sh_size = code.size(),
                         .sh_addralign = 1};
        section[symbols] = {.sh_name = symbols_name,
                            .sh_type = SHT_SYMTAB,
                            .sh_offset = offsetof(ObjectFile, symbol),
                            .sh_size = sizeof symbol,
                            .sh_link = strings,
                            .sh_info = 1,
                            .sh_addralign = 8,
                            .sh_entsize = sizeof symbol[0]};
        section[strings] = {.sh_name = strings_name,
                            .sh_type = SHT_STRTAB,
                            .sh_offset = sizeof(ObjectFile),
                            .sh_size = string_bytes,
                            .sh_addralign = 1};
        symbol[1] = {.st_name = function_name,
                     .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                     .st_shndx = text,
                     .st_value = reinterpret_cast<u64>(code.data()),
                     .st_size = code.size()};
    }
};

}  // namespace

struct GdbJit::Entry {
    jit_code_entry entry{};
    std::string file;
};

GdbJit::GdbJit() = default;
GdbJit::~GdbJit() {
    while (!entries_.empty()) remove(entries_.begin()->first);
}

void GdbJit::remove(const u8* begin) {
    const auto found = entries_.find(begin);
    if (found == entries_.end()) return;
    jit_code_entry& entry = found->second->entry;
    (entry.prev_entry != nullptr ? entry.prev_entry->next_entry : __jit_debug_descriptor.first_entry) =
        entry.next_entry;
    if (entry.next_entry != nullptr) entry.next_entry->prev_entry = entry.prev_entry;
    tell(unregister_action, entry);
    entries_.erase(found);
}

void GdbJit::add(std::span<const u8> host_code, std::string_view name) {
    remove(host_code.data());
    auto made = std::make_unique<Entry>();
    std::string strings(ObjectFile::string_table, sizeof ObjectFile::string_table);
    strings.append(name).push_back('\0');
    const ObjectFile file(host_code, strings.size());
    made->file.assign(reinterpret_cast<const char*>(&file), sizeof file).append(strings);
    jit_code_entry& entry = made->entry;
    entry = {__jit_debug_descriptor.first_entry, nullptr, made->file.data(), made->file.size()};
    if (entry.next_entry != nullptr) entry.next_entry->prev_entry = &entry;
    __jit_debug_descriptor.first_entry = &entry;
    entries_[host_code.data()] = std::move(made);
    tell(register_action, entry);
}

}  // namespace kiln::debug
