#include "llvm_mc.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace kiln::test {
namespace {

/// The extensions that the table has, by their names in LLVM 19.
constexpr const char* features =
    "+m,+a,+f,+d,+c,+zicsr,+zifencei,+zihintpause,+zabha,+experimental-zacas,+zawrs,+zfh,+zfa,"
    "+zba,+zbb,+zbc,+zbs,+zbkb,+zbkx,+zknd,+zkne,+zknh,+zksed,+zksh,"
    "+zicbom,+zicbop,+zicboz,+zicond,+zimop,+zcb,+zcmop";

/// A directory of its own under the system's temporary one, gone with the object.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string pattern = std::filesystem::temp_directory_path() / "kiln-isa-XXXXXX";
        if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// One word a line. The brackets keep llvm-mc from reading on into the next line after a word it does not
/// know.
bool write_words(const std::filesystem::path& path, std::span<const u32> words) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return false;
    for (u32 word : words) {
        std::fprintf(file, "[0x%02x 0x%02x", word & 0xff, word >> 8 & 0xff);
        if ((word & 3) == 3) std::fprintf(file, " 0x%02x 0x%02x", word >> 16 & 0xff, word >> 24);
        std::fprintf(file, "]\n");
    }
    return std::fclose(file) == 0;
}

/// Marks the lines that "words:LINE:COLUMN: warning: invalid instruction encoding" speaks of.
std::vector<bool> read_rejected(const std::filesystem::path& path, std::size_t count) {
    std::vector<bool> rejected(count);
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::size_t message = line.find(": warning: invalid instruction encoding");
        if (message == std::string::npos) continue;
        std::size_t column = line.rfind(':', message - 1);
        std::size_t number = std::strtoul(line.c_str() + line.rfind(':', column - 1) + 1, nullptr, 10);
        if (number >= 1 && number <= count) rejected[number - 1] = true;
    }
    return rejected;
}

/// "\taddi\ta0, a0, 1" as "addi a0, a0, 1".
std::string normalized(std::string_view line) {
    line.remove_prefix(line.find_first_not_of(" \t"));
    std::string text(line.substr(0, line.find_last_not_of(" \t") + 1));
    for (char& c : text) {
        if (c == '\t') c = ' ';
    }
    return text;
}

}  // namespace

Result<std::vector<std::string>> llvm_disassemble(std::span<const u32> words) {
    if (std::string_view(KILN_LLVM_MC).empty()) {
        return fail(
            "llvm-mc-19 was not found when the build was configured: install the package llvm-19 and "
            "configure again");
    }
    TemporaryDirectory directory;
    std::filesystem::path input = directory.path() / "words";
    if (directory.path().empty() || !write_words(input, words))
        return fail("cannot write to a temporary directory");
    std::string command =
        "cd '" + directory.path().string() +
        "' && '" KILN_LLVM_MC "' --disassemble --triple=riscv64 -M no-aliases --mattr=" + features +
        " words > text 2> messages";
    int status = std::system(command.c_str());
    // 1 is its answer where it rejected a word.
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) return fail("llvm-mc failed: " + command);

    std::vector<bool> rejected = read_rejected(directory.path() / "messages", words.size());
    std::vector<std::string> texts(words.size());
    std::ifstream file(directory.path() / "text");
    std::string line;
    std::getline(file, line);  // "\t.text"
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (rejected[i]) continue;
        if (!std::getline(file, line)) return fail("llvm-mc wrote too few lines");
        texts[i] = normalized(line);
    }
    if (std::getline(file, line)) return fail("llvm-mc wrote too many lines: " + line);
    return texts;
}

}  // namespace kiln::test
