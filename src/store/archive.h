// Images in one file, for other machines: a tar archive (ustar, POSIX.1-2017 "pax") compressed with Zstandard (RFC 8878).
//
// An archive is code: whoever made it may make programs do anything. What is read is checked as any image is, which finds
// damage and not malice.
#pragma once

#include <functional>
#include <string>

#include "store/upkeep.h"

namespace kiln::store {

struct Exchanged {
    u64 images = 0, bytes = 0;
    u64 refused = 0;  ///< that were none, or could not be written
};

/// Writes all images that are whole to a file, or changes nothing.
Result<Exchanged> export_images(const Upkeep& upkeep, const std::string& file);
/// Takes the images of such a file over. What it has besides is passed over.
Result<Exchanged> import_images(const Upkeep& upkeep, const std::string& file);

}  // namespace kiln::store
