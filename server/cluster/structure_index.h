// StructureIndex finds parts of a JSON text by JSON Pointer without reading what
// lies before them: it knows where the children of the text's big containers begin.
//
// **Thread safety.** Immutable.
//
// **Invariants.**
// 1. It holds offsets, and no text: Find must be given the text that it was built of.
// 2. It is smaller than the text in all but odd cases: of an array every sixteenth
//    element is known, of an object every member (8 bytes each), and only of
//    containers of kSmall bytes or more. The rest is read when it is asked for.
#ifndef OUTPOST_SERVER_CLUSTER_STRUCTURE_INDEX_H_
#define OUTPOST_SERVER_CLUSTER_STRUCTURE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster {

class StructureIndex {
 public:
  // What a container must have, in bytes, to be worth an index.
  static constexpr size_t kSmall = 4096;

  // Knows nothing: Find reads what it needs.
  StructureIndex() = default;
  // Of `text`, which is valid JSON below 4 GiB. Reads all of it once.
  explicit StructureIndex(absl::string_view text);

  // The text of what `pointer` (RFC 6901) names in `text`: a part of it.
  // INVALID_ARGUMENT: it is no JSON Pointer. NOT_FOUND: there is no such part; the
  // message tells how much of the pointer there is.
  absl::StatusOr<absl::string_view> Find(absl::string_view text, absl::string_view pointer) const;

  // How much memory it takes, about.
  size_t bytes() const;

 private:
  friend class IndexBuilder;
  struct Container {
    uint32_t first = 0;  // in `offsets_` or `members_`
    uint32_t count = 0;  // of those
  };
  struct Member {
    uint32_t hash = 0;    // of the key
    uint32_t offset = 0;  // of the key's quote
  };

  // Where the value of a child begins; npos: there is no such child.
  size_t Element(absl::string_view text, size_t array, absl::string_view token) const;
  size_t MemberOf(absl::string_view text, size_t object, absl::string_view key) const;

  // By where a container begins.
  absl::flat_hash_map<uint32_t, Container> arrays_;
  absl::flat_hash_map<uint32_t, Container> objects_;
  std::vector<uint32_t> offsets_;  // of every kStride-th element
  std::vector<Member> members_;    // of an object sorted by hash
};

// `value`, an object or an array of objects, with only the members that `fields`
// names: {"osd":1,"up":1}. INVALID_ARGUMENT: it is neither.
absl::StatusOr<std::string> SelectFields(absl::string_view value,
                                         const std::vector<std::string>& fields);

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_STRUCTURE_INDEX_H_
