// Finds guest code without running it: from addresses where code is known to begin, by all ways on that are written
// in it. What it gives are the addresses that an engine comes to with cold units (run/engine.h): where basic blocks begin.
//
// Ways that only a running program knows are guessed from constants that the code computes: one that is the address of
// code is taken for a function's, one that is the address of read-only data for that of a jump table, as far as its
// entries lead to code. A wrong guess costs a unit that nobody enters. Knows no guest.
#pragma once

#include <functional>
#include <span>
#include <unordered_set>
#include <vector>

#include "abi/frontend.h"

namespace kiln::run {

/// What is known of a guest file's code beforehand, at the addresses where it is mapped.
struct KnownCode {
    std::vector<GuestAddr> starts;     ///< of functions, and whatever else code refers to by its address
    std::vector<abi::CodeRange> code;  ///< where code may be; ascending
    /// Reads data that does not change, as it is in the file; false where there is none.
    std::function<bool(GuestAddr from, std::span<u8> to)> read;
};

class CodeFinder {
  public:
    /// `options` are those that cold units are lifted with. The references must outlive it.
    CodeFinder(const abi::Frontend& frontend, const abi::LiftOptions& options, const KnownCode& known);

    /// The addresses of basic blocks, ascending. `code` may forget before each what it fetched: `begin_unit`.
    std::vector<GuestAddr> find(abi::CodeSource& code, const std::function<void()>& begin_unit);

  private:
    bool is_code(u64 address) const;
    void found(u64 address);
    bool is_no_code(const abi::Lifted& lifted) const;
    /// Follows the ways out of the block that function_ is.
    void follow_exits();
    void follow_constants(u64 block);
    void follow_table(u64 table, u64 block);

    const abi::Frontend& frontend_;
    const abi::LiftOptions options_;
    const KnownCode& known_;
    ir::Function function_;
    std::unordered_set<u64> blocks_, tables_;
    std::vector<u64> unseen_;
    std::vector<u64> constants_;  // by value of function_; working memory
    std::vector<u8> kinds_;
};

}  // namespace kiln::run
