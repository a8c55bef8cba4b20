// What the host's processor has of the instruction set extensions that selection can use (base/host_features.def).
#pragma once

#include "base/options.h"
#include "base/types.h"

namespace kiln::emit {

/// Units made for one set of features run wherever all of these are.
struct HostFeatures {
#define HOST_FEATURE(name, sentence) bool name = false;
#include "base/host_features.def"
#undef HOST_FEATURE

    bool operator==(const HostFeatures&) const = default;
};

/// Those of this machine, as far as the kernel lets them be used, but for what is to be done without.
HostFeatures host_features(HostFeatureSet without = {});

}  // namespace kiln::emit
