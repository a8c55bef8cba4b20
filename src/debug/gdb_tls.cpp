// Where thread-local variables are: GDB knows the variable's place in its module's block, and asks where that is.
//
// The executable's block begins at tp (RISC-V ELF psABI, "Thread Local Storage"). Those of libraries are found as glibc's
// libthread_db finds them: the link map has the module's number, the thread's table of blocks, the dtv, has a row of two
// words for each number. Where a link map has the number, glibc says in variables of its own, whose addresses GDB gives
// (qSymbol). Of other C libraries only the executable's variables are known.
#include <array>

#include "debug/gdb_framing.h"
#include "debug/gdb_session.h"

namespace kiln::debug {
namespace {

/// glibc's variables about a link map, each {bits, elements, offset} in 32-bit words: where the module's number is, and how
/// far its block is from tp if it was there from the start.
constexpr std::array<std::string_view, 2> asked = {"_thread_db_link_map_l_tls_modid",
                                                   "_thread_db_link_map_l_tls_offset"};
constexpr u64 word_of_offset = 8;

constexpr u64 executable = 1;       // the number of the first module with thread-local variables
constexpr u64 dtv_pointer_at = 16;  // below tp
constexpr u64 dtv_row_bytes = 16;
constexpr u64 not_made_yet = ~u64{0};                        // in the dtv: the thread has not used the block
constexpr u64 no_fixed_place = 0, made_when_used = ~u64{0};  // in place of an offset

}  // namespace

// qSymbol:: once GDB has new symbols, then qSymbol:value:name in answer to the question for one.
GdbSession::Answer GdbSession::symbols_packet(std::string_view args) {
    take(args, ":");
    const auto value = take_hex(args);
    take(args, ":");
    const std::string name = from_hex(args).value_or("");
    std::size_t next = 0;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        if (name != asked[i]) continue;
        library_variables_[i] = GuestAddr(value.value_or(0));
        next = i + 1;
    }
    while (next < asked.size() && library_variables_[next].raw != 0) ++next;
    return next < asked.size() ? "qSymbol:" + to_hex(asked[next]) : "OK";
}

std::optional<u64> GdbSession::guest_word(GuestAddr address, std::size_t bytes) {
    u64 value = 0;
    if (debuggee_.read_memory(address, {reinterpret_cast<u8*>(&value), bytes}) != bytes) return std::nullopt;
    return value;
}

std::optional<u64> GdbSession::link_map_word(GuestAddr link_map, std::size_t variable) {
    if (library_variables_[variable].raw == 0) return std::nullopt;
    const auto offset = guest_word(library_variables_[variable] + word_of_offset, sizeof(u32));
    return offset ? guest_word(link_map + *offset, sizeof(u64)) : std::nullopt;
}

std::optional<GuestAddr> GdbSession::thread_block(GuestAddr tp, GuestAddr link_map) {
    // Programs without libraries have no link maps.
    if (link_map.raw == 0) return tp;
    const auto module = link_map_word(link_map, 0);
    if (!module) return std::nullopt;
    if (*module == executable) return tp;
    const auto dtv = guest_word(tp - dtv_pointer_at, sizeof(u64));
    if (!dtv) return std::nullopt;
    // The row before the first says how many there are.
    const auto row_count = guest_word(GuestAddr(*dtv) - dtv_row_bytes, sizeof(u64));
    const auto block = row_count && *module <= *row_count
                           ? guest_word(GuestAddr(*dtv) + *module * dtv_row_bytes, sizeof(u64))
                           : not_made_yet;
    if (block && *block != not_made_yet) return GuestAddr(*block);
    const auto place = link_map_word(link_map, 1);
    if (!place || *place == no_fixed_place || *place == made_when_used) return std::nullopt;
    return tp + *place;
}

// qGetTLSAddr:thread,offset,link map
GdbSession::Answer GdbSession::thread_local_packet(std::string_view args) {
    take(args, ":");
    const auto name = take_thread(args);
    if (!name || !take(args, ",")) return "E16";
    const auto offset = take_hex(args);
    if (!offset || !take(args, ",")) return "E16";
    const auto link_map = take_hex(args);
    abi::Context* const context = debuggee_.registers(name->thread);
    if (!link_map || context == nullptr) return "E16";
    const auto block = thread_block(registers_.thread_pointer(*context), GuestAddr(*link_map));
    return block ? to_hex((*block + *offset).raw) : "E02";
}

}  // namespace kiln::debug
