#include "outpost/structure_view.h"

#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"

namespace outpost {

// What a structure keeps of its view.
class StructureViews {
 public:
  struct View {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    simdjson::error_code error = simdjson::UNINITIALIZED;
  };

  static const View& Of(const StructureRef& structure) {
    StructureRef::Data& data = *structure.data_;
    std::call_once(data.view_once, [&data] {
      auto view = std::make_shared<View>();
      const StructureText& text = data.text;
      view->error = view->parser
                        .parse(text.text.data(), text.text.size(),
                               /*realloc_if_needed=*/!text.padded)
                        .get(view->root);
      data.view = std::move(view);
    });
    return *static_cast<const View*>(data.view.get());
  }
};

absl::StatusOr<simdjson::dom::element> View(const StructureRef& structure) {
  const StructureViews::View& view = StructureViews::Of(structure);
  if (view.error != simdjson::SUCCESS) {
    return absl::InternalError(absl::StrCat(
        "structure \"", structure.name(), "\" is not JSON: ", simdjson::error_message(view.error)));
  }
  return view.root;
}

}  // namespace outpost
