// DeclaredOptions are the options that modules have declared, by module: what there is to be
// set, and which values are right.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. A module's options change together or not at all; a SchemasPtr never changes.
#ifndef OUTPOST_SERVER_CONFIG_DECLARED_OPTIONS_H_
#define OUTPOST_SERVER_CONFIG_DECLARED_OPTIONS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/types.pb.h"
#include "server/config/option_key.h"
#include "server/config/option_schema.h"

namespace outpost::config {

class DeclaredOptions {
 public:
  using SchemasPtr = std::shared_ptr<const OptionSchemas>;
  using Modules = std::map<std::string, SchemasPtr, std::less<>>;

  // `schemas` are all options of `module` from now on.
  void Declare(absl::string_view module, SchemasPtr schemas);

  // `module` is not known any more.
  void Forget(const std::string& module);

  // Null: the module is not known.
  SchemasPtr Find(absl::string_view module) const;
  Modules All() const;
  // The modules that `key` means and that declare its option.
  std::vector<std::pair<std::string, SchemasPtr>> Meant(const OptionKey& key) const;

  // NOT_FOUND when no declaration is meant by `key`; the message has the nearest.
  absl::Status Check(const OptionKey& key) const;
  absl::Status NotDeclared(const OptionKey& key) const;

  // As `key` is declared, by the first of the modules that it means. Errors as Check.
  absl::StatusOr<v1::OptionDescriptor> Describe(const OptionKey& key) const;

  // Whether a value of the option is secret in any of its declarations.
  bool IsSecret(const OptionKey& key) const;

  // What to store for `text`. INVALID_ARGUMENT: a declaration does not allow it. Errors as Check.
  absl::StatusOr<std::string> Canonicalize(const OptionKey& key, absl::string_view text) const;

 private:
  mutable absl::Mutex mu_;
  Modules modules_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_DECLARED_OPTIONS_H_
