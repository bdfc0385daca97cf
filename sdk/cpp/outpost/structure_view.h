// A structure as simdjson sees it: the way to look into a big one. Nothing is copied
// but texts with escapes, where StructureRef::parsed() builds a tree with an
// allocation for each value.
//
//     absl::StatusOr<StructureRef> map = Get("osd_map");
//     absl::StatusOr<simdjson::dom::element> root = View(*map);
//     for (simdjson::dom::element osd : (*root)["osds"]) { … osd["up"] … }
//
// **Thread safety.** View may be called from any thread; the elements are immutable.
#ifndef OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_VIEW_H_
#define OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_VIEW_H_

#include <simdjson.h>

#include "absl/status/statusor.h"
#include "outpost/structure.h"

namespace outpost {

// The value of `structure`; parsed once for all copies of it, and valid while one of
// them lives. INTERNAL: the text is not JSON, which a manager does not send.
absl::StatusOr<simdjson::dom::element> View(const StructureRef& structure);

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_VIEW_H_
