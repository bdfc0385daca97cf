// Texts that lie in the manager's memory, where it runs on the same host.
//
// **Thread safety.** A function of its arguments.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SHARED_TEXT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SHARED_TEXT_H_

#include <optional>

#include "outpost/structure.h"
#include "outpost/v1/cluster.pb.h"

namespace outpost::internal {

// The text, mapped: nothing is copied. Nullopt: it is not to be had here, or what is
// there could still change.
std::optional<StructureText> MapShared(const v1::SharedText& shared);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SHARED_TEXT_H_
