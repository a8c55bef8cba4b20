#include "cli/cache_verify.h"

#include <fmt/format.h>

#include <memory>

#include "cli/guest_code.h"
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

Verified verify_chapters(run::Engine& engine, const store::ImageFile& image) {
    const auto context = new_guest_state();
    const auto thread = engine.attach(*context);
    Verified result{.verdict = Verdict::same};
    const auto compare = [&](const abi::Chapter& chapter) {
        const auto again = engine.make_again(*thread, chapter);
        if (!again) {
            result.verdict = Verdict::stale;
            result.why = "the guest file has other code now";
            return true;
        }
        if (*again != chapter) {
            result.verdict = Verdict::different;
            result.why = fmt::format("the chapter at {:#x} comes out otherwise", chapter.units[0].pc.raw);
            return false;
        }
        result.units += chapter.units.size();
        return true;
    };
    constexpr auto changed = "it changed meanwhile";
    for (GuestAddr window : image.windows()) {
        abi::Chapter chapter;
        if (!image.read_all(window, chapter)) return {Verdict::damaged, changed};
        if (!compare(chapter)) return result;
    }
    for (u32 number = 0; number < image.spare_count(); ++number) {
        abi::Chapter chapter;
        if (!image.read_all_of_spare(number, chapter)) return {Verdict::damaged, changed};
        if (!compare(chapter)) return result;
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
        if (!space || !map_guest_code(**space, image->origin()))
            return {Verdict::unchecked, "its guest file is gone"};
        run::EngineOptions engine_options = options;
        engine_options.store = &nothing;
        engine_options.count_jumps = count_jumps;
        const auto engine =
            run::make_engine(run::frontend_of(run::GuestIsa::riscv64), **space, engine_options);
        const auto key = engine->image_at(GuestAddr(image->origin().begin));
        if (key && (*key == image->name().key || abi::reserve_of(*key) == image->name().key))
            return verify_chapters(*engine, *image);
    }
    return {Verdict::unchecked, "other options, or another guest file of that name"};
}

}  // namespace kiln::cli
