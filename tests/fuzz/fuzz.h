// What a fuzz target gives besides LLVMFuzzerTestOneInput: good inputs to start from. fuzz_driver.cpp uses
// them in ordinary builds, fuzz_mutator.cpp under libFuzzer (preset fuzz).
#pragma once

#include <string>
#include <vector>

namespace kiln {

std::vector<std::string> fuzz_seeds();

}  // namespace kiln
