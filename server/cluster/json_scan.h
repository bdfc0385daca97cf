// Steps through valid JSON text, without making anything of it. Offsets are of the
// text's bytes.
//
// **Thread safety.** Functions of their arguments.
#ifndef OUTPOST_SERVER_CLUSTER_JSON_SCAN_H_
#define OUTPOST_SERVER_CLUSTER_JSON_SCAN_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace outpost::cluster::json_scan {

// The first offset from `at` on that is no white space.
size_t SkipSpace(absl::string_view text, size_t at);

// Behind the string whose opening quote is at `at`.
size_t SkipString(absl::string_view text, size_t at);

// Behind the value that begins at `at`.
size_t SkipValue(absl::string_view text, size_t at);

// The characters of the string whose opening quote is at `at`: a part of `text`, or,
// where it has escapes, of `*decoded`.
absl::string_view StringAt(absl::string_view text, size_t at, std::string* decoded);

// Children of a container one after the other: `at` is where it opens. For an object,
// key() is where the key's quote is.
class Children {
 public:
  Children(absl::string_view text, size_t at);
  // Goes on among the children of a container, from where one (of an object: its key) begins.
  static Children From(absl::string_view text, size_t child, bool object);

  // False: there are no more.
  bool done() const { return done_; }
  size_t key() const { return key_; }
  size_t value() const { return value_; }
  // To the next child; `end`: where the present value ends, if that is known.
  void Next(size_t end = absl::string_view::npos);

 private:
  Children() = default;
  void Take(size_t at);

  absl::string_view text_;
  bool object_ = false;
  bool done_ = false;
  size_t key_ = 0;
  size_t value_ = 0;
};

}  // namespace outpost::cluster::json_scan

#endif  // OUTPOST_SERVER_CLUSTER_JSON_SCAN_H_
