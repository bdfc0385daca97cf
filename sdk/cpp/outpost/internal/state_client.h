// StateClient reads and writes what the manager keeps for the module: options and
// keys.
//
// **Thread safety.** All methods may be called from any thread; they block until the
// manager answers.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STATE_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STATE_CLIENT_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/options.h"
#include "outpost/store.h"

namespace outpost::internal {

class StateClient {
 public:
  // `connection` outlives this.
  explicit StateClient(const ManagerConnection& connection) : connection_(connection) {}

  // Sets or removes (nullopt) an option of the module itself. What the manager
  // answers is put into `values`.
  absl::Status SetOption(OptionValues& values, absl::string_view name,
                         const std::optional<std::string>& value, bool localized);
  // By key: "mgr/<module>/<option>".
  absl::StatusOr<std::optional<std::string>> GetOption(std::string key);
  absl::Status SetOption(std::string key, const std::optional<std::string>& value);
  absl::StatusOr<std::optional<std::string>> GetClusterOption(absl::string_view entity,
                                                              absl::string_view name);

  absl::StatusOr<std::optional<std::string>> GetStore(absl::string_view key);
  absl::Status SetStore(absl::string_view key, const std::optional<std::string>& value);
  absl::StatusOr<std::map<std::string, std::string>> GetStorePrefix(absl::string_view prefix);
  absl::Status Apply(const StoreBatch& batch);

 private:
  // The effective value after the change.
  absl::StatusOr<OptionValues::Update> Change(std::string key,
                                              const std::optional<std::string>& value);

  const ManagerConnection& connection_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STATE_CLIENT_H_
