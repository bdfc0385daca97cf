#include "outpost/structure.h"

namespace outpost {

const Json& StructureRef::parsed() const {
  Data& data = *data_;
  std::call_once(data.once, [&data] {
    data.value = Json::parse(data.text.text.begin(), data.text.text.end(), nullptr,
                             /*allow_exceptions=*/false);
    if (data.value.is_discarded()) data.value = nullptr;
  });
  return data.value;
}

}  // namespace outpost
