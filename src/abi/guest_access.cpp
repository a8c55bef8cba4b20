#include "abi/guest_access.h"

namespace kiln::abi {

thread_local HostFault last_fault{};

}  // namespace kiln::abi
