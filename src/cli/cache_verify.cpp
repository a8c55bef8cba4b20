#include "cli/cache_verify.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <memory>

#include "linux/arch.h"
#include "run/wiring.h"

namespace kiln::cli {
namespace {

/// A store that has nothing: what is compared must be made.
class EmptyStore final : public abi::UnitStore {
  public:
    std::unique_ptr<abi::UnitImage> open(const abi::ImageKey&) override { return nullptr; }
    std::unique_ptr<abi::ImageWriter> begin_write(const abi::ImageKey&) override { return nullptr; }
    bool writable() const override { return false; }
};

/// Maps the guest file where it was when the image was made: its code, and its first page, which is part of the key.
bool map_guest_file(mem::AddressSpace& space, const abi::ImageOrigin& origin) {
    const store::Descriptor file(::open(origin.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file || origin.offset > origin.begin || origin.end <= origin.begin) return false;
    const auto map = [&](u64 begin, u64 bytes, int prot, u64 offset) {
        return space.map(GuestAddr(begin), bytes, prot, MAP_PRIVATE | MAP_FIXED, file.get(), offset) ==
               static_cast<i64>(begin);
    };
    return (origin.offset == 0 || map(origin.begin - origin.offset, mem::page_bytes, PROT_READ, 0)) &&
           map(origin.begin, origin.end - origin.begin, PROT_READ | PROT_EXEC, origin.offset);
}

Verified verify_chapters(run::Engine& engine, const store::ImageFile& image) {
    const user::Arch& arch = user::riscv64_arch();
    const std::unique_ptr<abi::Context, void (*)(abi::Context*)> context(
        arch.new_state(), [](abi::Context* c) { user::riscv64_arch().delete_state(c); });
    const auto thread = engine.attach(*context);
    Verified result{.verdict = Verdict::same};
    for (GuestAddr window : image.windows()) {
        abi::Chapter chapter;
        if (!image.read_all(window, chapter)) return {Verdict::damaged, "it changed meanwhile"};
        const auto again = engine.make_again(*thread, chapter);
        if (!again) {
            result.verdict = Verdict::stale;
            result.why = "the guest file has other code now";
            continue;
        }
        if (*again != chapter)
            return {Verdict::different, fmt::format("the chapter at {:#x} comes out otherwise", window.raw)};
        result.units += chapter.units.size();
    }
    return result;
}

}  // namespace

Verified verify_image(const store::Upkeep& upkeep, const std::string& name,
                      const run::EngineOptions& options) {
    const auto image = upkeep.open(name);
    if (image == nullptr && upkeep.is_of_other_version(name))
        return {Verdict::unchecked, "made by another version of Kiln"};
    if (image == nullptr) return {Verdict::damaged, "its header is wrong"};
    if (!image->is_whole()) return {Verdict::damaged, "a checksum is wrong"};
    if (image->name().build != upkeep.build()) return {Verdict::unchecked, "made by another build of Kiln"};
    EmptyStore nothing;
    for (const bool count_jumps : {false, true}) {  // runs with --stats have images of their own
        auto space = mem::AddressSpace::create({});
        if (!space || !map_guest_file(**space, image->origin()))
            return {Verdict::unchecked, "its guest file is gone"};
        run::EngineOptions engine_options = options;
        engine_options.store = &nothing;
        engine_options.count_jumps = count_jumps;
        const auto engine =
            run::make_engine(run::frontend_of(run::GuestIsa::riscv64), **space, engine_options);
        if (engine->image_at(GuestAddr(image->origin().begin)) == image->name().key)
            return verify_chapters(*engine, *image);
    }
    return {Verdict::unchecked, "other options, or another guest file of that name"};
}

}  // namespace kiln::cli
