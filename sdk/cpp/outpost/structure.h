// StructureRef is a counted reference to one version of a named structure of
// cluster data ("osd_map"): its text as the manager sent it, and the parsed
// value.
//
// **Thread safety.** Immutable: copies may be used from any thread. The first
// call of parsed() parses, others wait for it.
//
// **Invariants.** text(), parsed() and version() belong together; a newer
// version is another StructureRef.
#ifndef OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_H_
#define OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "outpost/json.h"

namespace outpost {

class StructureRef {
 public:
  StructureRef(std::string name, uint64_t version, std::string text)
      : data_(std::make_shared<Data>(std::move(name), version, std::move(text))) {}

  absl::string_view name() const { return data_->name; }
  // Grows with every change; comparable only while the same manager process runs.
  uint64_t version() const { return data_->version; }
  // The JSON text; valid while this or a copy lives.
  absl::string_view json() const { return data_->text; }
  // The value; parsed once for all copies. Null if the text is not JSON, which a
  // manager does not send.
  const Json& parsed() const;

 private:
  struct Data {
    Data(std::string n, uint64_t v, std::string t)
        : name(std::move(n)), version(v), text(std::move(t)) {}
    const std::string name;
    const uint64_t version;
    const std::string text;
    std::once_flag once;
    Json value;  // written once, under `once`
  };
  std::shared_ptr<Data> data_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_H_
