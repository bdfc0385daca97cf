// Json is the value type of cluster data, command arguments and calls between
// modules.
#ifndef OUTPOST_SDK_CPP_OUTPOST_JSON_H_
#define OUTPOST_SDK_CPP_OUTPOST_JSON_H_

#include <nlohmann/json.hpp>

namespace outpost {

using Json = nlohmann::json;

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_JSON_H_
