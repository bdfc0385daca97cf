// ConfigRegistry holds the options of all modules: their declarations, and their
// values in layers of which the strongest that has a value counts:
//
//     default < file < global < module < localized
//
// The file layer is given when the registry is made; the layers above it are in the
// StateStore, under "config/" and the key as in OptionKey. Declarations are kept there
// too ("schema/<module>"), so that options can be set while the module does not run.
//
// **Thread safety.** All methods may be called from any thread, also from listeners and
// `done`s, except that these must not call DeclareModule or OnChange, or destroy the
// registry.
//
// **Invariants.**
// 1. A value is checked when it is set. A value that became wrong later (the module
//    changed its declaration), was set before its option was declared, or was wrong in
//    the file, does not count: it is logged, and the next weaker layer holds.
// 2. When `done(OK)` runs the change is durable, every reader sees it, and the
//    listeners have been called.
// 3. Listeners are called one at a time, and see each option's values in their order;
//    of values that follow each other fast perhaps only the last.
// 4. The effective values on this manager have revisions: of two of the same option, the
//    newer has the greater one.
// 5. A secret option's value is in Get, EffectiveValues and listeners' values, and
//    nowhere else: not in List, Settings, History, error texts, or the log.
#ifndef OUTPOST_SERVER_CONFIG_CONFIG_REGISTRY_H_
#define OUTPOST_SERVER_CONFIG_CONFIG_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/config.pb.h"
#include "outpost/v1/types.pb.h"
#include "server/config/config_history.h"
#include "server/config/declared_options.h"
#include "server/config/option_key.h"
#include "server/config/option_schema.h"
#include "server/store/state_store.h"

namespace outpost::config {

// What people see in the place of a secret.
inline constexpr char kRedacted[] = "<redacted>";

// A value that was set in the store.
struct Setting {
  OptionKey key;
  // "<redacted>" if the option is secret, or not declared, so that nobody knows.
  std::string value;
  // Nullopt: no module declares the option (any more).
  std::optional<v1::OptionDescriptor> declaration;
};

class ConfigRegistry {
 public:
  // Runs on a thread of the store, or before Set or Remove return.
  using Done = absl::AnyInvocable<void(absl::StatusOr<v1::OptionValue>)>;
  // An option of `module` has a new effective value on this manager. Runs on a thread
  // of the store, or on the one that calls DeclareModule; must not block.
  using Listener = std::function<void(const std::string& module, const v1::OptionValue& effective)>;
  using Descriptors = google::protobuf::RepeatedPtrField<v1::OptionDescriptor>;

  // `store` lives longer. `manager_id` is this manager's name, whose localized values
  // count here. `file` is the layer of the manager's configuration file, by
  // "mgr/<module>/<option>"; INVALID_ARGUMENT names a key of another form. Its values
  // are checked when their module is declared.
  static absl::StatusOr<std::unique_ptr<ConfigRegistry>> Create(
      store::StateStore& store, std::string manager_id, std::map<std::string, std::string> file);

  // Waits for the `done`s of writes in flight.
  ~ConfigRegistry();
  ConfigRegistry(const ConfigRegistry&) = delete;
  ConfigRegistry& operator=(const ConfigRegistry&) = delete;

  // Takes `descriptors` for all options of `module`, instead of what it declared before,
  // and with the log options that every module has. Holds at once, and is written to the
  // store without waiting. INVALID_ARGUMENT names the option and field that is wrong;
  // then nothing has changed. Of a `stranger`, which may never come again, nothing is written
  // where it has no options of its own.
  absl::Status DeclareModule(absl::string_view module, const Descriptors& descriptors,
                             bool stranger = false);

  // A stranger has gone: forgets it, unless it has options of its own or something is set of
  // it. Returns whether options of its own are all that is in the way.
  bool ForgetStranger(absl::string_view module);

  // The same of one with options of its own, which it has to declare again; unless something
  // is set of it.
  void ForgetOptionsOf(absl::string_view stranger);

  // The modules whose options are known, in the order of their names.
  std::vector<std::string> DeclaredModules() const;

  // The effective value; of a key with a manager id, as it is on that manager.
  // INVALID_ARGUMENT: not a key. NOT_FOUND: not declared; the message has the nearest.
  absl::StatusOr<v1::OptionValue> Get(absl::string_view key) const;

  // Sets `key` to `value`; `who` ("client", "module/<name>") is for the history. `done`
  // gets the value in canonical form, or the errors of Get, INVALID_ARGUMENT for a
  // value that the declaration does not allow, and those of StateStore::Write. Of
  // several calls in flight at the same moment any may be the last.
  void Set(absl::string_view key, absl::string_view value, absl::string_view who, Done done);

  // The same, also where nobody declares the option (yet): then any text is taken, and it
  // begins to count when a module comes that declares the option and allows the value.
  void ForceSet(absl::string_view key, absl::string_view value, absl::string_view who, Done done);

  // Takes away what is set under `key`; also where the option is not declared any more.
  // `done` gets the effective value now (nothing when it is not declared).
  void Remove(absl::string_view key, absl::string_view who, Done done);

  // Sets and removes what leads back to the configuration's version `version` (0: nothing was
  // ever set), as one new version. `done` gets the keys that stay as they are, because they
  // are secret and former values of secrets are not kept. Errors of ConfigHistory::After, and
  // those of StateStore::Write.
  using ResetDone = absl::AnyInvocable<void(absl::StatusOr<std::vector<std::string>>)>;
  void Reset(uint64_t version, absl::string_view who, ResetDone done);

  // The effective values of all options of `module`, by name; empty: it is not known.
  std::vector<v1::OptionValue> EffectiveValues(absl::string_view module) const;

  // Options in the order of their keys; `module` empty: of all modules. `only_set`:
  // those which have a value in any layer above the default, on any manager.
  std::vector<v1::ConfigEntry> List(absl::string_view module, bool only_set) const;

  // What is set in the store, in the order of keys: for every manager, and also where the
  // option is not declared.
  std::vector<Setting> Settings() const;

  // What `key` is declared as. Errors as Get.
  absl::StatusOr<v1::OptionDescriptor> Describe(absl::string_view key) const;

  // At most `limit` versions of the configuration, the newest first. At most 1000 are kept.
  std::vector<ConfigVersion> Versions(size_t limit) const { return history_.Read(limit); }
  // At most `limit` changes, the newest first.
  std::vector<v1::ConfigChange> History(size_t limit) const;

  // Calls `listener` from now on, as long as the registry lives.
  void OnChange(Listener listener);

  // `value`, of an option of `module`, as it may be shown: "<redacted>" if it is secret.
  v1::OptionValue Redacted(absl::string_view module, v1::OptionValue value) const;

 private:
  // A key and what is to be stored there; nullopt: nothing.
  struct Assignment {
    OptionKey key;
    std::optional<std::string> value;  // canonical
    bool secret = false;
  };
  using SchemasPtr = DeclaredOptions::SchemasPtr;

  ConfigRegistry(store::StateStore& store, std::string manager_id,
                 std::map<std::string, std::string> file);

  void LoadDeclarations();

  // The effective value on manager `manager_id`. `complain`: log the values that do
  // not count because they are wrong.
  v1::OptionValue Effective(absl::string_view module, const OptionSchema& schema,
                            absl::string_view manager_id, bool complain = false) const;
  v1::OptionValue EffectiveAt(const OptionKey& key) const;
  // The effective value on this manager, with its revision.
  v1::OptionValue EffectiveHere(absl::string_view module, const OptionSchema& schema) const;

  // Stores `assignment` and calls `done`; again when another was faster.
  void Write(Assignment assignment, std::string who, Done done);
  // Those of `assignments` that change something, as one version. FAILED_PRECONDITION:
  // another change was faster.
  void Commit(const std::vector<Assignment>& assignments, const std::string& who,
              store::StateStore::WriteDone done);
  v1::OptionValue Result(const Assignment& assignment) const;

  // Whether anything is set in the store under a key of `module`.
  bool IsSomethingSet(absl::string_view module) const;
  void Forget(const std::string& module) ABSL_EXCLUSIVE_LOCKS_REQUIRED(publish_mu_);
  // What `change` of the store means for effective values.
  void Apply(const store::Change& change);
  // Finds out whether the option's value is another now, and tells the listeners.
  void Refresh(const std::string& module, const OptionSchema& schema)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(publish_mu_);
  void WarnOfFile(absl::string_view module, const OptionSchemas& schemas) const;

  store::StateStore& store_;
  const std::string manager_id_;
  const std::map<std::string, std::string> file_;
  ConfigHistory history_;
  DeclaredOptions declared_;

  absl::Mutex publish_mu_;  // keeps listeners in order
  std::vector<Listener> listeners_ ABSL_GUARDED_BY(publish_mu_);

  mutable absl::Mutex published_mu_;  // taken last; changes need publish_mu_ as well
  // The effective values here, which the listeners know, by module and option.
  std::map<std::pair<std::string, std::string>, v1::OptionValue> published_
      ABSL_GUARDED_BY(published_mu_);
  uint64_t revision_ ABSL_GUARDED_BY(published_mu_) = 0;  // the last one given

  absl::Mutex writes_mu_;
  int writes_in_flight_ ABSL_GUARDED_BY(writes_mu_) = 0;

  std::unique_ptr<store::WatchHandle> watch_;  // last: it uses all the others
};

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_CONFIG_REGISTRY_H_
