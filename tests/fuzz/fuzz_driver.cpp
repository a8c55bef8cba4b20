// Runs a fuzz target without libFuzzer: <target> [seconds [file...]]. Each seed and each file as it is, cut
// at every length near its begin, then random changes of them until the time is over. The changes are the
// same in every run; an input that makes the target abort is left in crash-input.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "base/types.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const kiln::u8* data, size_t size);

namespace {

using kiln::u64;
using kiln::u8;

std::string current;

void keep_input(int) {
    if (FILE* file = fopen("crash-input", "wb")) {
        fwrite(current.data(), 1, current.size(), file);
        fclose(file);
    }
    std::signal(SIGABRT, SIG_DFL);
}

void run(const std::string& input) {
    current = input;
    LLVMFuzzerTestOneInput(reinterpret_cast<const u8*>(current.data()), current.size());
}

// Mostly in the first bytes, where formats keep their headers; whole words as often as bytes, and the values
// at which arithmetic goes wrong as often as any.
std::string change(std::string input, std::mt19937_64& random) {
    const u64 values[] = {0, 1, ~u64{0}, ~u64{0} - 0xfff, u64{1} << 63, u64{1} << 31, 0xfff, 0x1000, 0x10000};
    for (u64 count = 1 + random() % 4; count > 0 && !input.empty(); --count) {
        const size_t reach = random() % 8 ? std::min<size_t>(input.size(), 512) : input.size();
        const size_t at = random() % reach;
        switch (random() % 6) {
            case 0: input[at] = static_cast<char>(random()); break;
            case 1: input[at] = static_cast<char>(input[at] ^ (1 << random() % 8)); break;
            case 2: input.resize(random() % 8 ? input.size() - random() % 16 % input.size() : at); break;
            case 3: input.insert(at, random() % 64, static_cast<char>(random())); break;
            default: {
                const u64 value =
                    random() % 2 ? values[random() % std::size(values)] : random() >> random() % 64;
                const size_t bytes = size_t{1} << random() % 4;
                const size_t aligned = at & ~(bytes - 1);
                for (size_t i = 0; i < bytes && aligned + i < input.size(); ++i)
                    input[aligned + i] = static_cast<char>(value >> 8 * i);
            }
        }
    }
    return input;
}

}  // namespace

int main(int argc, char** argv) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(argc > 1 ? std::atoi(argv[1]) : 2);
    std::signal(SIGABRT, keep_input);
    std::vector<std::string> seeds = kiln::fuzz_seeds();
    for (int i = 2; i < argc; ++i) {
        std::ifstream file(argv[i], std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    unsigned long runs = 0;
    for (const std::string& seed : seeds) {
        run(seed);
        for (size_t bytes = 0; bytes < std::min<size_t>(seed.size(), 300); ++bytes, ++runs)
            run(seed.substr(0, bytes));
    }
    std::mt19937_64 random(1);
    for (; std::chrono::steady_clock::now() < end; ++runs)
        run(change(seeds[random() % seeds.size()], random));
    std::printf("%lu inputs\n", runs);
}
