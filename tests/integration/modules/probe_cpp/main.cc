// Does with the manager what a test says: the test calls its methods. The module
// probe does the same in Python.
#include "outpost/main.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "outpost/module.h"
#include "outpost/placement.h"

namespace {

using outpost::CommandResult;
using outpost::Json;

constexpr absl::Duration kDeadline = absl::Seconds(15);

class Probe : public outpost::Module {
 public:
  Probe()
      : Module({.name = "probe_cpp",
                .notify_types = {"osd_map", "command", "health", "config"},
                .max_concurrency = 4}) {
    commands().Add("probe-cpp").Describe("Answer").Perm("r").Handle([] {
      return CommandResult::Ok("probe_cpp");
    });
    commands()
        .Add("probe-cpp size")
        .Describe("Tell how large the input file is")
        .Perm("r")
        .Handle([](const outpost::CommandContext& context) {
          return CommandResult::Ok(absl::StrCat(context.inbuf() ? context.inbuf()->size() : 0));
        });
    AddNotificationMethods();
    AddClusterMethods();
    AddRemoteMethods();
    AddStoreMethods();
    AddPlacementMethods();
  }

  void Notify(const outpost::Notification& notification) override {
    absl::MutexLock lock(&mu_);
    seen_.emplace_back(notification.type, notification.id);
  }

 private:
  void AddNotificationMethods() {
    methods().Add("forget", [this](const Json&, const Json&) -> absl::StatusOr<Json> {
      absl::MutexLock lock(&mu_);
      seen_.clear();
      return nullptr;
    });
    // [type]: waits for a notification since `forget`; returns its id.
    methods().Add("await_notification",
                  [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
                    return AwaitNotification(args.at(0));
                  });
  }

  void AddClusterMethods() {
    methods().Add("osd_flags",
                  [this](const Json&, const Json&) -> absl::StatusOr<Json> { return OsdFlags(); });
    // [flag, there]: reads the OSD map again after each cue, until it has the
    // flag, or has it no more.
    methods().Add("await_osd_flag", [this](const Json& args, const Json&) {
      return AwaitOsdFlag(args.at(0), args.at(1));
    });
    // [name]
    methods().Add("get_error", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      return std::string(Get(args.at(0).get<std::string>()).status().message());
    });
    methods().Add("have_mon_connection", [this](const Json&, const Json&) -> absl::StatusOr<Json> {
      const absl::StatusOr<bool> connected = HaveMonConnection();
      if (!connected.ok()) return connected.status();
      return *connected;
    });
    // [command, tag]
    methods().Add("send", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto result = SendCommand({.command = args.at(0), .tag = args.at(1)}).get();
      if (!result.ok()) return result.status();
      return Json{result->retval, result->out, result->err};
    });
    // [code, summary, detail]
    methods().Add("raise_health", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const absl::Status status =
          SetHealthChecks({{.code = args.at(0), .summary = args.at(1), .detail = {args.at(2)}}});
      if (!status.ok()) return status;
      return nullptr;
    });
    // [line for the log, line for the cluster's log]
    methods().Add("say", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      log().Warning("%s", args.at(0).get<std::string>());
      ClusterLog("audit", outpost::LogLevel::kInfo, args.at(1).get<std::string>());
      return nullptr;
    });
  }

  void AddRemoteMethods() {
    // [module, method, args…]: calls a method of another module, and tells how
    // that went.
    methods().Add("relay", [this](const Json& args, const Json& kwargs) -> absl::StatusOr<Json> {
      const Json rest(std::vector<Json>(args.begin() + 2, args.end()));
      return Outcome(
          Remote(args.at(0).get<std::string>(), args.at(1).get<std::string>(), rest, kwargs));
    });
    methods().Add("echo", [](const Json& args, const Json& kwargs) -> absl::StatusOr<Json> {
      return Json{args, kwargs};
    });
    // [text]
    methods().Add("fail", [](const Json& args, const Json&) -> absl::StatusOr<Json> {
      return absl::NotFoundError(args.at(0).get<std::string>());
    });
  }

  // What Placement says: pools' groups, one group, and both after what evens them out.
  void AddPlacementMethods() {
    // [pool, reweights]
    methods().Add("map_pool", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      outpost::OsdMapChange change;
      for (const auto& [osd, weight] : args.at(1).items()) {
        change.osd_reweights[std::stoi(osd)] = weight.get<double>();
      }
      const auto groups = placement_.MapPoolPgsUp(args.at(0).get<int64_t>(), change);
      if (!groups.ok()) return std::string(groups.status().message());
      return Json(*groups);
    });
    // [pool, number of the group]
    methods().Add("map_group", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto group =
          placement_.PgToUpActingOsds(args.at(0).get<int64_t>(), args.at(1).get<uint32_t>());
      if (!group.ok()) return group.status();
      return Json{{"up", group->up},
                  {"up_primary", group->up_primary},
                  {"acting", group->acting},
                  {"acting_primary", group->acting_primary}};
    });
    // [pool's number, pool's name]: how many exceptions there are to make, and the groups then.
    methods().Add("even_out", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto change = placement_.CalcPgUpmaps(
          {.max_deviation = 1, .max_changes = 20, .pools = {args.at(1).get<std::string>()}});
      if (!change.ok()) return change.status();
      const auto groups = placement_.MapPoolPgsUp(args.at(0).get<int64_t>(), *change);
      if (!groups.ok()) return groups.status();
      return Json{change->new_upmap_items.size() + change->old_upmap_items.size(), *groups};
    });
  }

  void AddStoreMethods() {
    // [key, value]
    methods().Add("put", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      return std::string(
          SetStore(args.at(0).get<std::string>(), args.at(1).get<std::string>()).message());
    });
    // [key]
    methods().Add("get", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto value = GetStore(args.at(0).get<std::string>());
      if (!value.ok()) return value.status();
      return *value ? Json(**value) : Json(nullptr);
    });
    // [prefix]
    methods().Add("list", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto entries = GetStorePrefix(args.at(0).get<std::string>());
      if (!entries.ok()) return entries.status();
      return Json(*entries);
    });
    // [key, expected value, new value]
    methods().Add("swap", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const std::string key = args.at(0);
      outpost::StoreBatch batch;
      batch.Expect(key, args.at(1).is_null() ? std::nullopt
                                             : std::make_optional(args.at(1).get<std::string>()));
      batch.Set(key, args.at(2)).Set(absl::StrCat(key, "/swapped"), "yes");
      return std::string(Apply(batch).message());
    });
  }

  absl::StatusOr<Json> AwaitNotification(const std::string& type) {
    const auto find = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) -> const std::string* {
      for (const auto& [seen_type, id] : seen_) {
        if (seen_type == type) return &id;
      }
      return nullptr;
    };
    const auto found = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return find() != nullptr; };
    absl::MutexLock lock(&mu_);
    if (!mu_.AwaitWithTimeout(absl::Condition(&found), kDeadline)) {
      return absl::DeadlineExceededError(absl::StrCat("no ", type));
    }
    return *find();
  }

  absl::StatusOr<Json> OsdFlags() {
    const absl::StatusOr<outpost::StructureRef> map = Get("osd_map");
    if (!map.ok()) return map.status();
    return map->parsed().at("flags");
  }

  absl::StatusOr<Json> AwaitOsdFlag(const std::string& flag, bool there) {
    const absl::Time deadline = absl::Now() + kDeadline;
    while (true) {
      size_t seen = 0;
      {
        absl::MutexLock lock(&mu_);
        seen = seen_.size();
      }
      absl::StatusOr<Json> flags = OsdFlags();
      if (!flags.ok()) return flags;
      const std::vector<std::string> names = absl::StrSplit(flags->get<std::string>(), ',');
      bool found = false;
      for (const std::string& name : names) found |= name == flag;
      if (found == there) return flags;
      const auto more = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return seen_.size() > seen; };
      absl::MutexLock lock(&mu_);
      if (!mu_.AwaitWithDeadline(absl::Condition(&more), deadline)) {
        return absl::DeadlineExceededError(absl::StrCat("the flags are ", flags->dump()));
      }
    }
  }

  static Json Outcome(const absl::StatusOr<Json>& result) {
    if (result.ok()) return {{"result", *result}};
    Json outcome = {{"code", absl::StatusCodeToString(result.status().code())},
                    {"message", std::string(result.status().message())},
                    {"reason", outpost::ErrorReason(result.status())}};
    if (const auto failure = outpost::GetRemoteFailure(result.status())) {
      outcome["kind"] = failure->kind;
      outcome["type"] = failure->type;
      outcome["text"] = failure->message;
    }
    return outcome;
  }

  const outpost::Placement placement_{[this](absl::string_view method, const Json& arguments) {
    return Remote(outpost::Placement::kModule, method, Json::array(), arguments);
  }};
  absl::Mutex mu_;
  std::vector<std::pair<std::string, std::string>> seen_ ABSL_GUARDED_BY(mu_);  // type, id
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<Probe>(argc, argv); }
