#include "base/build_id.h"

#include <elf.h>

#include <cstring>

#include "base/bits.h"

// The linker's name for the start of the executable's own headers.
extern "C" [[gnu::visibility("hidden")]] const Elf64_Ehdr __ehdr_start;

namespace kiln {

std::string build_id() {
    const auto* image = reinterpret_cast<const char*>(&__ehdr_start);
    const auto* headers = reinterpret_cast<const Elf64_Phdr*>(image + __ehdr_start.e_phoff);
    for (unsigned i = 0; i < __ehdr_start.e_phnum; i++) {
        if (headers[i].p_type != PT_NOTE) continue;
        // Addresses are offsets from the image's first: kiln is linked as a position-independent executable.
        const char* note = image + headers[i].p_vaddr;
        const char* end = note + headers[i].p_memsz;
        while (note < end) {
            Elf64_Nhdr header;
            std::memcpy(&header, note, sizeof header);
            const char* name = note + sizeof header;
            const char* id = name + align_up(header.n_namesz, 4);
            if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && !std::memcmp(name, "GNU", 4)) {
                std::string text;
                for (unsigned byte = 0; byte < header.n_descsz; byte++) {
                    text += "0123456789abcdef"[static_cast<u8>(id[byte]) >> 4];
                    text += "0123456789abcdef"[id[byte] & 15];
                }
                return text;
            }
            note = id + align_up(header.n_descsz, headers[i].p_align);
        }
    }
    return {};
}

}  // namespace kiln
