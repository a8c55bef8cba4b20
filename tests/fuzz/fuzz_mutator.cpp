// Gives libFuzzer the target's seeds: a corpus needs no files.
#include <algorithm>
#include <cstring>

#include "base/types.h"
#include "fuzz.h"

extern "C" size_t LLVMFuzzerMutate(kiln::u8* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(kiln::u8* data, size_t size, size_t max_size, unsigned seed) {
    static const std::vector<std::string> seeds = kiln::fuzz_seeds();
    if (size < 16 || seed % 64 == 0) {
        const std::string& start = seeds[seed / 64 % seeds.size()];
        size = std::min(start.size(), max_size);
        std::memcpy(data, start.data(), size);
    }
    return LLVMFuzzerMutate(data, size, max_size);
}
