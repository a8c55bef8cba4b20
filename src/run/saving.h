// What a process that ends has to give to the store. Made and used by Engine (engine_saving.cpp).
#pragma once

#include <memory>
#include <vector>

#include "abi/unit_store.h"
#include "run/stored_code.h"

namespace kiln::run {

struct Saving {
    struct Unit {
        u64 pc;
        bool hot;  ///< it was compiled because it was entered often
    };
    /// One image that is to be written anew.
    struct Image {
        StoredCode::Place place;
        std::vector<Unit> units;  ///< that the image does not have, or only as cold ones
    };
    std::vector<Image> images;
};

}  // namespace kiln::run
