// Names of places in guest code, from the symbol tables of the ELF files that the guest has mapped.
//
// Files are opened by the path they had when they were mapped; what cannot be opened or makes no sense has no symbols.
// Nothing in a file is trusted. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "mem/address_space.h"

namespace kiln::debug {

class ElfSymbols;

class Symbols {
  public:
    explicit Symbols(const mem::AddressSpace& space);
    ~Symbols();

    /// A place in the guest.
    struct Place {
        std::string name;          ///< of the function or, without one, the file; empty: neither is known
        u64 offset = 0;            ///< from its beginning
        std::string text() const;  ///< "main+0x10"
    };
    Place find(GuestAddr pc);

  private:
    const mem::AddressSpace& space_;
    std::map<std::pair<dev_t, ino_t>, std::unique_ptr<ElfSymbols>> files_;
};

/// The functions of one ELF file.
class ElfSymbols {
  public:
    /// Reads the file `fd`; no functions when it is no 64-bit little-endian ELF file.
    explicit ElfSymbols(int fd);

    struct Symbol {
        u64 address = 0, bytes = 0;  ///< as in the file; bytes 0: not known
        std::string_view name;
    };
    /// The function at an offset in the file; null if none is known there. `offset` becomes the offset from its start.
    const Symbol* find(u64& offset) const;

  private:
    struct Segment {
        u64 offset, bytes, address;
    };
    std::vector<Segment> segments_;
    std::vector<Symbol> symbols_;  // by ascending address
    std::string names_;
};

}  // namespace kiln::debug
