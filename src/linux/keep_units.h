// When a guest program ends, what was compiled for it goes to the store: in a process of its own, so that nobody waits.
#pragma once

#include "linux/thread.h"

namespace kiln::user {

/// Right before the process ends, or becomes another program: starts a process that gives the store what it does not
/// have, if there is enough of that. It shares nothing with the guest that somebody could notice: no descriptor, no
/// terminal, no mount, no child of the guest's. `ends`: the process does not go on, whatever happens.
void keep_units(Thread& thread, bool ends);

}  // namespace kiln::user
