// What the parts of a manager keep in its store: by which key, and what a value must be.
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SERVER_STORED_ENTRIES_H_
#define OUTPOST_SERVER_STORED_ENTRIES_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outpost {

// To whom an entry belongs, for people: "options", "keys of modules", …
absl::string_view AreaOf(absl::string_view key);

// INVALID_ARGUMENT: no part can use an entry of this key with this value. What belongs to none
// of them is taken as it is, if its key is text: a later version may know it.
absl::Status CheckEntry(absl::string_view key, absl::string_view value);

}  // namespace outpost

#endif  // OUTPOST_SERVER_STORED_ENTRIES_H_
