// OptionSchema is the declaration of one module option, checked, and the judge of its
// values. OptionSchemas are those of a whole module, with the ones that every module has.
//
// **Thread safety.** Immutable after Create: any thread.
//
// **Invariants.**
// 1. A schema exists only for a valid declaration: its default, bounds and allowed
//    values are values of its type, and its default is one that could be set.
// 2. Canonical forms are stable: Canonicalize(Canonicalize(x)) is Canonicalize(x).
// 3. The value of a secret option is in no error text.
#ifndef OUTPOST_SERVER_CONFIG_OPTION_SCHEMA_H_
#define OUTPOST_SERVER_CONFIG_OPTION_SCHEMA_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outpost/v1/types.pb.h"
#include "server/config/option_value.h"

namespace outpost::config {

class OptionSchema {
 public:
  // INVALID_ARGUMENT names the option as "mgr/<module>/<name>", the field and what is
  // wrong with it.
  static absl::StatusOr<OptionSchema> Create(absl::string_view module,
                                             const v1::OptionDescriptor& descriptor);

  // The canonical form of `text`. INVALID_ARGUMENT: it is not a value of this option;
  // the message names `key`, the value and what would be right.
  absl::StatusOr<std::string> Canonicalize(absl::string_view key, absl::string_view text) const;

  // As declared, with the type UNSPECIFIED resolved to STR, the level to ADVANCED.
  const v1::OptionDescriptor& descriptor() const { return descriptor_; }
  // The default in canonical form; nullopt: there is none.
  const std::optional<std::string>& default_value() const { return default_value_; }
  bool secret() const { return descriptor_.secret(); }

 private:
  explicit OptionSchema(v1::OptionDescriptor descriptor) : descriptor_(std::move(descriptor)) {}

  v1::OptionDescriptor descriptor_;
  std::optional<std::string> default_value_;
  std::optional<ParsedValue> min_;
  std::optional<ParsedValue> max_;
  std::vector<std::string> allowed_;  // canonical; empty: any
};

// By name.
using OptionSchemas = std::map<std::string, OptionSchema, std::less<>>;

// log_level, log_to_file, log_to_cluster and log_to_cluster_level, which ceph-mgr, too, gives to
// each of its modules.
std::vector<v1::OptionDescriptor> OptionsOfEveryModule();

// The options of `module`: the declared ones, and those of every module (which it may declare
// itself). INVALID_ARGUMENT also for a bad module name, and a name declared twice.
absl::StatusOr<OptionSchemas> CreateSchemas(
    absl::string_view module,
    const google::protobuf::RepeatedPtrField<v1::OptionDescriptor>& descriptors);

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_OPTION_SCHEMA_H_
