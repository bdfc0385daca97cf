// Arguments are those of one command: the members of its JSON object.
//
// **Thread safety.** One thread.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_ARGUMENTS_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace outpost::cluster::sim {

class Arguments {
 public:
  // INVALID_ARGUMENT, with a monitor's words, unless it is an object whose "prefix"
  // is a text.
  static absl::StatusOr<Arguments> Parse(absl::string_view command_json);

  const std::string& prefix() const { return prefix_; }

  // Each gives `otherwise` where the argument is absent, and INVALID_ARGUMENT where
  // it is of another type.
  absl::StatusOr<std::string> Text(absl::string_view key, absl::string_view otherwise = "") const;
  absl::StatusOr<int64_t> Int(absl::string_view key, int64_t otherwise) const;
  absl::StatusOr<bool> Bool(absl::string_view key) const;
  // Of texts.
  absl::StatusOr<std::vector<std::string>> List(absl::string_view key) const;

  bool wants_json() const { return json_; }
  bool wants_pretty_json() const { return pretty_; }

 private:
  explicit Arguments(nlohmann::json object);
  // nullptr where it is absent.
  const nlohmann::json* Find(absl::string_view key) const;

  nlohmann::json object_;
  std::string prefix_;
  bool json_ = false;
  bool pretty_ = false;
};

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_ARGUMENTS_H_
