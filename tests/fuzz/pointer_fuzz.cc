// A JSON Pointer (the first line) into a JSON text (the rest): with an index and without, the
// same part is found, and it is a part of the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "server/cluster/structure_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using outpost::cluster::StructureIndex;
  const absl::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t line = all.find('\n');
  if (line == absl::string_view::npos) return 0;
  const absl::string_view pointer = all.substr(0, line);
  const absl::string_view text = all.substr(line + 1);
  // A structure is valid JSON: that is its publisher's promise.
  if (!nlohmann::json::accept(text.begin(), text.end())) return 0;
  const auto without = StructureIndex().Find(text, pointer);
  const auto with = StructureIndex(text).Find(text, pointer);
  if (without.ok() != with.ok()) std::abort();
  if (!without.ok()) return 0;
  if (*without != *with || without->data() < text.data() ||
      without->data() + without->size() > text.data() + text.size() ||
      !nlohmann::json::accept(without->begin(), without->end())) {
    std::abort();
  }
  (void)outpost::cluster::SelectFields(*without, {"a", "b"});
  return 0;
}
