// StructureRef is a counted reference to one version of a named structure of
// cluster data ("osd_map"): its text as the manager sent it, and the parsed
// value.
//
// A big text is not a copy: it lies in the manager's memory, and is mapped here. To
// look into it without building a value of it, see outpost/structure_view.h.
//
// **Thread safety.** Immutable: copies may be used from any thread. The first
// call of parsed() parses, others wait for it.
//
// **Invariants.** text(), parsed() and version() belong together; a newer
// version is another StructureRef.
#ifndef OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_H_
#define OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "outpost/json.h"

namespace outpost {

// Where a text lies that is not a string's.
struct StructureText {
  static constexpr size_t kPadding = 64;

  std::shared_ptr<const void> keeper;  // of `text`
  absl::string_view text;
  bool padded = false;  // kPadding bytes behind it may be read
};

class StructureRef {
 public:
  StructureRef(std::string name, uint64_t version, std::string text)
      : data_(std::make_shared<Data>(std::move(name), version)) {
    auto own = std::make_shared<const std::string>(std::move(text));
    data_->text = {.keeper = own, .text = *own};
  }
  StructureRef(std::string name, uint64_t version, StructureText text)
      : data_(std::make_shared<Data>(std::move(name), version)) {
    data_->text = std::move(text);
  }

  absl::string_view name() const { return data_->name; }
  // Grows with every change; comparable only while the same manager process runs.
  uint64_t version() const { return data_->version; }
  // The JSON text; valid while this or a copy lives.
  absl::string_view json() const { return data_->text.text; }
  // The value; parsed once for all copies. Null if the text is not JSON, which a
  // manager does not send.
  const Json& parsed() const;

 private:
  friend class StructureViews;
  struct Data {
    Data(std::string n, uint64_t v) : name(std::move(n)), version(v) {}
    const std::string name;
    const uint64_t version;
    StructureText text;  // written by the constructor only
    std::once_flag once;
    Json value;  // written once, under `once`
    std::once_flag view_once;
    std::shared_ptr<void> view;  // of structure_view.h; written once, under `view_once`
  };
  std::shared_ptr<Data> data_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_STRUCTURE_H_
