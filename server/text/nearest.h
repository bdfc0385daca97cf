// Nearest finds the known names that a mistyped word was probably meant to be,
// for "did you mean" in error messages.
//
// **Thread safety.** A pure function: any thread.
#ifndef OUTPOST_SERVER_TEXT_NEAREST_H_
#define OUTPOST_SERVER_TEXT_NEAREST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace outpost::text {

// At most `limit` of `known`, the nearest first, equally near ones in `known`'s
// order. Near is the edit distance (insert, delete, replace a byte, or swap two
// neighbours, without regard to ASCII case). A name that is not near at all (more
// than a third of the longer word, and of more than two bytes, would have to change)
// counts only when one is the beginning of the other: "osd_m" finds "osd_map".
std::vector<std::string> Nearest(absl::string_view word, const std::vector<std::string>& known,
                                 size_t limit);

// The end of an error message: "; did you mean a or b?", or nothing where there are no
// `nearest`.
std::string DidYouMean(const std::vector<std::string>& nearest);

}  // namespace outpost::text

#endif  // OUTPOST_SERVER_TEXT_NEAREST_H_
