// --dump: what units are made of and become, as text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "debug/symbols.h"
#include "run/observer.h"

namespace kiln::debug {

/// What is to be shown, of which units.
struct DumpRequest {
    bool guest = false, ir = false, host = false, exits = false, links = false;
    std::vector<std::string> passes;  ///< ir-after:<pass>
    /// Only units that begin in this range, or in a function of this name.
    GuestAddr begin{0}, end{~u64{0}};
    std::string function;

    bool wants_ir() const { return ir || exits || !passes.empty(); }
    /// Reads "guest,ir,ir-after:fold,host,exits,links@0x10000-0x11000"; the range may be one address, a function's name,
    /// or left out.
    static Result<DumpRequest> parse(std::string_view text);
};

/// Collects what is known of a unit until it is shown. One thread at a time.
class Dump {
  public:
    Dump(DumpRequest request, const abi::Frontend& frontend, const mem::AddressSpace& space)
        : request_(std::move(request)), frontend_(frontend), space_(space) {}

    const DumpRequest& request() const { return request_; }
    void add_ir(GuestAddr pc, const ir::Function& f, std::string_view after);
    /// The text about a unit that is complete; empty if nobody asked for it.
    std::string unit(const run::SeenUnit& unit, Symbols& symbols);
    std::string link(const void* site, GuestAddr pc, Symbols& symbols);

  private:
    bool wanted(GuestAddr pc, Symbols& symbols) const;
    void add_guest_code(const run::SeenUnit& unit, std::string& out) const;

    const DumpRequest request_;
    const abi::Frontend& frontend_;
    const mem::AddressSpace& space_;
    struct UnderWay {
        std::string ir, exits;
    };
    std::map<u64, UnderWay> under_way_;                    // units that are being made, by pc
    std::map<const u8*, std::pair<const u8*, u64>> code_;  // host code's begin to its end and its unit's pc
};

}  // namespace kiln::debug
