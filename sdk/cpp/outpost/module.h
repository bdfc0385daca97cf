// Module is the base class of a manager module written in C++.
//
//     class Hello : public outpost::Module {
//      public:
//       Hello() : Module({.version = "1.0"}) {
//         commands().Add("hello").Describe("Say hello").Handle([this] {
//           return outpost::CommandResult::Ok("Hello, " + place_.Get() + "!");
//         });
//       }
//
//      private:
//       outpost::Option<std::string> place_ =
//           options().Add<std::string>("place", "world", "Whom to greet");
//     };
//
//     int main(int argc, char** argv) { return outpost::RunModule<Hello>(argc, argv); }
//
// In the constructor a module declares what it offers: commands(), options(),
// methods(). It is not attached yet: calls to the manager give
// FAILED_PRECONDITION there. The hooks below are overridden where they are of
// use; a Serve that is overridden is found by itself.
//
// **Threads.** Start and then Serve run on a thread of their own; so does Shutdown. Notify,
// ConfigChanged and the callbacks of OnChange, SendCommand and watches share one thread, and so
// never overlap each other. Commands and methods run on ModuleInfo.max_concurrency threads. All of
// these run at the same time as the others.
//
// **Thread safety.** The accessors may be called from any thread. Those that ask
// the manager block until it answers, at most for the timeouts in ModuleInfo
// (DEADLINE_EXCEEDED), in a handler no longer than its caller waits; while the
// manager is away they give UNAVAILABLE. They must not be called from gRPC's
// callback threads, should a module use gRPC on its own.
#ifndef OUTPOST_SDK_CPP_OUTPOST_MODULE_H_
#define OUTPOST_SDK_CPP_OUTPOST_MODULE_H_

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "outpost/cluster.h"
#include "outpost/command.h"
#include "outpost/errors.h"
#include "outpost/format.h"
#include "outpost/health.h"
#include "outpost/json.h"
#include "outpost/log.h"
#include "outpost/manager.h"
#include "outpost/methods.h"
#include "outpost/options.h"
#include "outpost/progress.h"
#include "outpost/serve_context.h"
#include "outpost/store.h"
#include "outpost/structure.h"
#include "outpost/watch.h"

namespace outpost {

namespace internal {
class LogBuffer;
class ManagerClient;
class Session;
}  // namespace internal

// What there is to say of a module beside its commands, options and methods.
struct ModuleInfo {
  // Its name where neither --name nor OUTPOST_MODULE gives one.
  std::string name = {};
  // Its own version, for display.
  std::string version = {};
  // The notification types that Notify wants; empty: none.
  std::vector<std::string> notify_types = {};
  // How many commands and methods run at once, each on a thread; 0 is taken for 1.
  uint32_t max_concurrency = 1;
  // Whether it can also run beside a standby manager.
  bool standby_capable = false;
  // How long calls that the manager answers by itself take at most.
  absl::Duration call_timeout = absl::Seconds(30);
  // The same for Remote, which another module answers.
  absl::Duration work_timeout = absl::Minutes(5);
};

// Notification is a cue to read again; never the data.
struct Notification {
  std::string type = {};     // "osd_map", "clog", …
  std::string id = {};       // the epoch of a map, the tag of a command; may be empty
  uint64_t version = 0;      // of the structure, for state-like types
  std::string payload = {};  // the event as JSON, for event-like types
  uint64_t missed = 0;       // event-like: how many were lost just before this one
  absl::Time time = {};      // when it was made, by the manager's clock
  // True: nothing in particular happened; the module was attached again, and may
  // have missed changes of this (state-like) type while it was not.
  bool after_reattach = false;
};

class Module {
 public:
  explicit Module(ModuleInfo info);
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // A subclass may hide it by its own: why the module can't run here, as a
  // sentence, e.g. for a missing dependency. It is then attached, and does no
  // work; the manager's health report shows the sentence.
  static absl::Status CanRun() { return absl::OkStatus(); }

  // Options have their values and the manager answers; no command has been run.
  // Once in the life of the process. An error is shown by the manager, which asks
  // the module to end and starts it again later.
  virtual absl::Status Start() { return absl::OkStatus(); }

  // The long-running part: returns soon after `context` says so. Returning OK
  // before that is fine: commands are answered on. An error is shown by the
  // manager, which starts the module again. Must be public in the subclass.
  virtual absl::Status Serve(ServeContext& context);

  // The cluster changed; see ModuleInfo.notify_types. Acknowledged when it
  // returns: until then no newer cue of this type is sent.
  virtual void Notify(const Notification& notification);

  // These options have new values, whoever changed them.
  virtual void ConfigChanged(const std::vector<std::string>& names);

  // Tries the module out, where it runs: `mgr self-test module NAME`. An error says
  // what does not work; a text is shown.
  virtual absl::StatusOr<std::string> SelfTest() { return ""; }

  // The module is to end: Serve has been told. Whatever else keeps a thread busy
  // should be ended here. The manager can still be called.
  virtual void Shutdown() {}

  const ModuleInfo& info() const { return info_; }

 protected:
  // What the module offers; for the constructor.
  CommandSet& commands() { return commands_; }
  OptionSet& options() { return options_; }
  MethodSet& methods() { return methods_; }

  const Logger& log() const { return log_; }
  // A line in the cluster log, which operators follow, whatever log_level is;
  // `channel` is "cluster", "audit" or another. Never blocks: while the manager is away,
  // lines wait.
  void ClusterLog(absl::string_view channel, LogLevel level, absl::string_view text) const;

  // --- Who and where (empty before the module is attached) ---

  // The name under which the module is registered.
  std::string Name() const;
  // The name of the manager, e.g. "x".
  std::string MgrId() const;
  // The manager's version, e.g. "outpost 0.1.0".
  std::string Version() const;
  // The release of the cluster, e.g. "quincy"; empty where it is not known.
  std::string ReleaseName() const;
  // The address of the manager's host as others reach it; empty where it is not known.
  std::string MgrIp() const;
  // The cluster this manager looks after, e.g. a Ceph fsid; may be empty.
  std::string ClusterId() const;

  // --- Cluster data ---

  // A named structure ("osd_map"). What was read before is kept, and while it is
  // current, costs no call: the manager tells in the session when it is not. A read that
  // begins after the module was told of a change (by Notify, a command, an answer)
  // never gives what was before it. Where the session says nothing for two heartbeats,
  // or is lost, the manager is asked each time. NOT_FOUND names the nearest.
  absl::StatusOr<StructureRef> Get(absl::string_view name);
  // A part of one, by an RFC 6901 JSON Pointer ("/osds/0"), and of that, an object or an
  // array of objects, only these members. Never kept. NOT_FOUND tells how much of the
  // path there is.
  absl::StatusOr<StructureRef> GetPart(absl::string_view name, absl::string_view pointer,
                                       const std::vector<std::string>& fields = {});
  // Which structures there are, by name, with their versions, sizes and ages.
  absl::StatusOr<std::vector<StructureInfo>> ListStructures();
  // Whether the manager can reach the cluster now. When it can't, the last known
  // state stays readable.
  absl::StatusOr<bool> HaveMonConnection();

  // A host and the daemons on it. NOT_FOUND: no daemon runs on a host of this name.
  absl::StatusOr<Server> GetServer(absl::string_view hostname);
  // Every host on which a daemon runs.
  absl::StatusOr<std::vector<Server>> ListServers();
  // What a daemon said of itself when it started. NOT_FOUND: it is not known.
  absl::StatusOr<std::map<std::string, std::string>> GetMetadata(absl::string_view type,
                                                                 absl::string_view id);
  // What a daemon says of its present state. NOT_FOUND: it is not known.
  absl::StatusOr<std::map<std::string, std::string>> GetDaemonStatus(absl::string_view type,
                                                                     absl::string_view id);
  // Which performance counters daemons have, and their values. Of daemons and paths that
  // there are not there is nothing in the answer, which is no error.
  absl::StatusOr<std::vector<CounterSchema>> GetPerfSchema(const Daemon& daemon);
  absl::StatusOr<std::vector<CounterSeries>> GetCounters(const CounterQuery& query);
  // What daemons report that is worth a health check; of all that fit.
  absl::StatusOr<std::vector<DaemonHealth>> GetDaemonHealthMetrics(const Daemon& daemon = {});

  // --- The manager and its modules ---

  // How the manager is, what it uses, and what it has done since it started.
  absl::StatusOr<ManagerStatus> GetManagerStatus();
  // Every module that is installed, enabled or attached, by name.
  absl::StatusOr<std::vector<ModuleStatus>> ListModules();
  // Who is subscribed to notifications, and how far each is.
  absl::StatusOr<std::vector<SubscriptionStatus>> ListSubscriptions();

  // --- Options ---

  // The effective value of an option of this module, by name, without a call.
  // NOT_FOUND: it is not declared, or has no value. INVALID_ARGUMENT: it is not a
  // T. An Option, which options() gives, reads more simply.
  template <typename T>
  absl::StatusOr<T> GetOption(absl::string_view name) const;
  // The same for any module, as text, by a call. NOT_FOUND: it does not declare it.
  absl::StatusOr<std::optional<std::string>> GetModuleOption(absl::string_view module,
                                                             absl::string_view name);
  // Sets an option of any module, as text in the form of its type (bytes, seconds; see
  // OptionType); nullopt: back to the weaker layer's value. NOT_FOUND: that module does not
  // declare it. INVALID_ARGUMENT says what would be right.
  absl::Status SetModuleOption(absl::string_view module, absl::string_view name,
                               const std::optional<std::string>& value);
  // Sets an option of this module. OK: the change is durable, and readers see it.
  // NOT_FOUND: it is not declared. INVALID_ARGUMENT says what would be right.
  // RESOURCE_EXHAUSTED, UNAVAILABLE: it could not be stored, and nothing has changed.
  template <typename T>
  absl::Status SetOption(absl::string_view name, const T& value) {
    return SetOptionText(name, internal::OptionTraits<T>::ToText(value), /*localized=*/false);
  }
  absl::Status SetOption(absl::string_view name, const char* value) {
    return SetOptionText(name, value, /*localized=*/false);
  }
  // The same for this manager only: stronger than the plain one. Reads give the
  // strongest value, so there is no localized read.
  template <typename T>
  absl::Status SetLocalizedOption(absl::string_view name, const T& value) {
    return SetOptionText(name, internal::OptionTraits<T>::ToText(value), /*localized=*/true);
  }
  // Back to the weaker layer's value, e.g. the default; no error where nothing is set.
  absl::Status RemoveOption(absl::string_view name);
  absl::Status RemoveLocalizedOption(absl::string_view name);
  // An option of the cluster itself; `entity` is "osd.0", "mgr", … or empty for
  // the manager's own view. nullopt: not set and no default. NOT_FOUND: the cluster has
  // no such option.
  absl::StatusOr<std::optional<std::string>> GetClusterOption(absl::string_view entity,
                                                              absl::string_view name);

  // --- The module's private, durable keys ---
  //
  // A key has 1 to 1024 bytes, a value up to 8 MiB of whatever bytes: INVALID_ARGUMENT.
  // RESOURCE_EXHAUSTED (the disk is full) and UNAVAILABLE: nothing has changed.

  // nullopt: there is no such key.
  absl::StatusOr<std::optional<std::string>> GetStore(absl::string_view key);
  // nullopt removes the key. OK: the change is durable.
  absl::Status SetStore(absl::string_view key, const std::optional<std::string>& value);
  // The keys that begin with `prefix`, whole, and their values.
  absl::StatusOr<std::map<std::string, std::string>> GetStorePrefix(absl::string_view prefix);
  // The same for a value that belongs to this manager only; a read gives the plain
  // key's value where there is none.
  absl::StatusOr<std::optional<std::string>> GetLocalizedStore(absl::string_view key);
  absl::Status SetLocalizedStore(absl::string_view key, const std::optional<std::string>& value);
  // All changes or none. ABORTED: a condition did not hold; the message names its
  // key.
  absl::Status Apply(const StoreBatch& batch);

  // --- What changes, as it changes; see watch.h ---

  // Calls `callback` with the effective value of each option of `module` (empty: of every
  // module), and then of each that changes. Of a module that declares its options later it
  // hears when they change. FAILED_PRECONDITION: called in the constructor, or the module ends.
  absl::StatusOr<Watch> WatchOptions(absl::string_view module,
                                     std::function<void(const OptionChange&)> callback);
  // The same of the module's own keys that begin with `prefix`.
  absl::StatusOr<Watch> WatchStore(absl::string_view prefix,
                                   std::function<void(const StoreChange&)> callback);

  // --- Other modules, the cluster, health ---

  // Calls a method of another module. GetRemoteFailure tells a method that
  // failed from a module that could not be asked (ErrorReason: MODULE_NOT_ENABLED,
  // MODULE_NOT_RUNNING, MODULE_LOST, QUEUE_FULL, CALL_CYCLE).
  absl::StatusOr<Json> Remote(absl::string_view module, absl::string_view method,
                              const Json& args = Json::array(),
                              const Json& kwargs = Json::object());

  // Sends a command to a daemon, without waiting. A daemon's refusal is a result
  // with a negative retval. Where the command has a tag, Notify hears of it too
  // (type "command", the tag as id), if the module subscribed to that type. `callback`
  // runs on the thread of Notify.
  std::future<absl::StatusOr<CommandResult>> SendCommand(const ClusterCommand& command);
  void SendCommand(const ClusterCommand& command,
                   std::function<void(absl::StatusOr<CommandResult>)> callback);
  // Sends a command to a daemon and waits, in a handler no longer than its caller
  // does.
  absl::StatusOr<CommandResult> TellCommand(absl::string_view type, absl::string_view id,
                                            Json command, std::string inbuf = "");
  absl::StatusOr<CommandResult> OsdCommand(int osd, Json command, std::string inbuf = "");
  // To a monitor: whichever answers.
  absl::StatusOr<CommandResult> MonCommand(Json command, std::string inbuf = "");
  // The same, and a refusal is an error that names the command and keeps its errno.
  absl::StatusOr<CommandResult> CheckMonCommand(Json command, std::string inbuf = "");

  // Replaces all checks of this module; an empty list clears them. They are set
  // again by themselves when the manager was started again. INVALID_ARGUMENT names
  // the check and the field, and nothing is changed.
  absl::Status SetHealthChecks(const std::vector<HealthCheck>& checks);

  // Makes a progress event, or changes it: operators see a bar. As health checks,
  // events are told again to a manager that was started again, until they are
  // completed (no error where there is no such event). INVALID_ARGUMENT: the id is empty, or
  // the progress not within 0 and 1. RESOURCE_EXHAUSTED: over 1000 events of this module.
  absl::Status UpdateProgress(const ProgressEvent& event);
  absl::Status CompleteProgress(absl::string_view id);
  absl::Status ClearProgress();

  // Whether whoever has called this handler may use this module with these arguments, as their
  // caps say ("allow module NAME with pool=rbd rw"): for the permissions that the command
  // declares, in a method for "rw". False where nobody has called, as in Serve.
  absl::StatusOr<bool> IsAuthorized(const std::map<std::string, std::string>& arguments) const;

  // Says where this module serves (a dashboard, an exporter), for `mgr services`;
  // empty: nowhere any more. INVALID_ARGUMENT: it is not one line of UTF-8.
  absl::Status SetUri(absl::string_view uri);

 private:
  friend class internal::Session;

  absl::Status SetOptionText(absl::string_view name, std::string value, bool localized);
  absl::Status UndeclaredOption(absl::string_view name) const;

  const ModuleInfo info_;
  CommandSet commands_;
  OptionSet options_;
  MethodSet methods_;
  std::shared_ptr<internal::LogBuffer> log_buffer_;
  Logger log_;
  std::unique_ptr<internal::ManagerClient> client_;
};

template <typename T>
absl::StatusOr<T> Module::GetOption(absl::string_view name) const {
  const internal::OptionDeclaration* declaration = options_.Find(name);
  if (declaration == nullptr) return UndeclaredOption(name);
  std::optional<std::string> text = options_.values()->Get(name);
  if (!text) text = declaration->default_value;
  if (!text) {
    return absl::NotFoundError(absl::StrCat("option ", name, " is not set and has no default"));
  }
  std::optional<T> value = internal::OptionTraits<T>::FromText(*text);
  if (!value) {
    return absl::InvalidArgumentError(
        absl::StrCat("option ", name, ": its value is not of the type asked for"));
  }
  return *std::move(value);
}

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_MODULE_H_
