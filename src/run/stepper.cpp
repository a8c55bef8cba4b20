#include "run/stepper.h"

#include "abi/guest_access.h"
#include "mem/address_space.h"
#include "run/replay_accesses.h"

namespace kiln::run {

const Stepper::Step* Stepper::find(GuestAddr pc, const u8* memory) {
    u32 word = 0;
    if (!abi::guest_load(memory + pc.raw, word)) {
        u16 half = 0;  // an instruction of 2 bytes may be the last in its page
        abi::guest_load(memory + pc.raw, half);
        word = half;
    }
    Step& step = steps_[pc.raw / 2 % steps_.size()];
    if (step.code != nullptr && step.pc == pc.raw && step.word == word) return &step;
    frontend_.lift(function_, pc, space_, {.max_instructions = 1, .extend = false}, lifted_);
    if (lifted_.fetch_failed) return nullptr;
    replay_accesses(function_);
    auto code = translator_->translate(function_);
    if (!code) return nullptr;
    step = {pc.raw, word, std::move(*code)};
    return &step;
}

std::optional<abi::ExitReason> Stepper::step(GuestAddr pc, abi::Context& context) {
    const Step* const step = find(pc, context.memory);
    if (step == nullptr) return std::nullopt;
    return reference_.run(step->code->entry(), context);
}

}  // namespace kiln::run
