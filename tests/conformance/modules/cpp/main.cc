// The module of tests/conformance/README.md, which says what each command does.
#include "outpost/main.h"

#include <cerrno>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/module.h"

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Light { kOk, kWarning, kError };
enum class What { kHold, kGo };

template <>
struct outpost::EnumChoices<Level> {
  static constexpr std::pair<const char*, Level> kChoices[] = {{"debug", Level::kDebug},
                                                               {"info", Level::kInfo},
                                                               {"warning", Level::kWarning},
                                                               {"error", Level::kError}};
};

template <>
struct outpost::EnumChoices<Light> {
  static constexpr std::pair<const char*, Light> kChoices[] = {
      {"ok", Light::kOk}, {"warning", Light::kWarning}, {"error", Light::kError}};
};

template <>
struct outpost::EnumChoices<What> {
  static constexpr std::pair<const char*, What> kChoices[] = {{"hold", What::kHold},
                                                              {"go", What::kGo}};
};

namespace {

using outpost::CommandContext;
using outpost::CommandResult;
using outpost::Json;

class Conformance : public outpost::Module {
 public:
  Conformance()
      : Module({.name = "conformance",
                .version = "1.0",
                .notify_types = {"osd_map", "config"},
                .max_concurrency = 3}) {
    AddPlainCommands();
    AddWaits();
    AddServices();
    AddNotifications();
    AddMethods();
  }

  // There is nothing to do but to wait for the end.
  absl::Status Serve(outpost::ServeContext& context) override {
    context.Wait();
    return absl::OkStatus();
  }

  // Ends what waits.
  void Shutdown() override {
    absl::MutexLock lock(&mu_);
    ends_ = true;
  }

  // Kept, as soon as that is allowed.
  void Notify(const outpost::Notification& notification) override {
    if (notification.after_reattach) return;
    absl::MutexLock lock(&mu_);
    const auto allowed = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return !held_ || ends_; };
    mu_.Await(absl::Condition(&allowed));
    heard_.push_back({notification.type, notification.id});
  }

 private:
  void AddPlainCommands() {
    commands().AddRaw(
        "conformance echo name=text,type=CephString"
        " name=count,type=CephInt,range=0|100,req=false name=ratio,type=CephFloat,req=false"
        " name=flag,type=CephBool,req=false"
        " name=color,type=CephChoices,strings=red|green|blue,req=false"
        " name=words,type=CephString,n=N,req=false",
        "Print the arguments", "r", [](const CommandContext&, Json args) {
          args.erase("prefix");
          args.erase("format");
          return CommandResult::Ok(args.dump());
        });
    commands()
        .Add("conformance fail")
        .Describe("Fail with an errno")
        .Arg<int64_t>("number", {.min = 1, .max = 133})
        .Handle([](int64_t number) {
          return CommandResult(-static_cast<int>(number), "half of it",
                               absl::StrCat("failed with ", number, ", as asked"));
        });
    commands().Add("conformance json").Describe("Print JSON").Handle([] {
      const Json value = {{"integer", 42},
                          {"float", 2.5},
                          {"text", "Grüße, 世界"},
                          {"list", Json::array({true, nullptr, "x"})},
                          {"object", Json::object()}};
      return CommandResult::Ok(value.dump());
    });
    commands()
        .Add("conformance file")
        .Describe("Tell what the input file holds")
        .Handle([](const CommandContext& context) {
          const std::optional<std::string>& file = context.inbuf();
          if (!file) return CommandResult::Ok("no file");
          const int sum = std::accumulate(file->begin(), file->end(), 0, [](int total, char byte) {
            return total + static_cast<unsigned char>(byte);
          });
          return CommandResult::Ok(absl::StrCat(file->size(), " bytes, adding up to ", sum));
        });
    commands()
        .Add("conformance option")
        .Describe("Print the value of an option")
        .Arg<std::string>("name")
        .Handle([this](const std::string& name) -> CommandResult {
          if (name == "limit") return CommandResult::Ok(absl::StrCat(limit_.Get()));
          return GetOption<std::string>(name);
        });
    commands()
        .Add("conformance log")
        .Describe("Log a line")
        .Perm("w")
        .Arg<Level>("level")
        .Arg<std::string>("text")
        .Handle([this](Level level, const std::string& text) {
          constexpr outpost::LogLevel kLevels[] = {
              outpost::LogLevel::kDebug, outpost::LogLevel::kInfo, outpost::LogLevel::kWarning,
              outpost::LogLevel::kError};
          log().Write(kLevels[static_cast<int>(level)], text);
          return CommandResult::Ok();
        });
  }

  void AddWaits() {
    commands()
        .Add("conformance wait")
        .Describe("Wait until release, or until nobody waits for it")
        .Handle([this](const CommandContext& context) { return Wait(context); });
    commands().Add("conformance release").Describe("End every wait").Perm("w").Handle([this] {
      absl::MutexLock lock(&mu_);
      ++releases_;
      return CommandResult::Ok();
    });
    commands()
        .Add("conformance waits")
        .Describe("Tell how many wait, and how many were cancelled")
        .Handle([this] {
          absl::MutexLock lock(&mu_);
          return CommandResult::Ok(Json{{"waiting", waiting_}, {"cancelled", cancelled_}}.dump());
        });
  }

  void AddServices() {
    commands()
        .Add("conformance osd-epoch")
        .Describe("Print the epoch of the OSD map")
        .Handle([this]() -> CommandResult {
          const absl::StatusOr<outpost::StructureRef> map = Get("osd_map");
          if (!map.ok()) return map.status();
          return CommandResult::Ok(map->parsed().at("epoch").dump());
        });
    commands()
        .Add("conformance health")
        .Describe("Raise or clear a health check")
        .Perm("w")
        .Arg<Light>("severity")
        .Arg<std::optional<std::string>>("summary")
        .Handle([this](Light light, const std::optional<std::string>& summary) -> CommandResult {
          if (light == Light::kOk) return SetHealthChecks({});
          return SetHealthChecks({{.code = "CONFORMANCE_CHECK",
                                   .severity = light == Light::kError ? outpost::Severity::kError
                                                                      : outpost::Severity::kWarning,
                                   .summary = summary.value_or(""),
                                   .detail = {"as asked"}}});
        });
    commands()
        .Add("conformance put")
        .Describe("Set a key")
        .Perm("w")
        .Arg<std::string>("key")
        .Arg<std::string>("value")
        .Handle([this](const std::string& key, const std::string& value) -> CommandResult {
          return SetStore(key, value);
        });
    commands()
        .Add("conformance get")
        .Describe("Print the value of a key")
        .Arg<std::string>("key")
        .Handle([this](const std::string& key) -> CommandResult {
          const auto value = GetStore(key);
          if (!value.ok()) return value.status();
          if (!*value) return absl::NotFoundError(absl::StrCat("there is no key \"", key, "\""));
          return CommandResult::Ok(**value);
        });
    commands()
        .Add("conformance delete")
        .Describe("Remove a key")
        .Perm("w")
        .Arg<std::string>("key")
        .Handle([this](const std::string& key) -> CommandResult {
          return SetStore(key, std::nullopt);
        });
    commands()
        .Add("conformance call")
        .Describe("Call a method of a module")
        .Perm("rw")
        .Arg<std::string>("module")
        .Arg<std::string>("method")
        .Arg<std::optional<std::vector<std::string>>>("args")
        .Handle([this](const std::string& module, const std::string& method,
                       const std::optional<std::vector<std::string>>& args) {
          const auto result = Remote(module, method, args.value_or(std::vector<std::string>()));
          if (!result.ok()) {
            return CommandResult::Error(EIO, std::string(result.status().message()));
          }
          return CommandResult::Ok(result->dump());
        });
  }

  void AddNotifications() {
    commands().Add("conformance heard").Describe("Tell which notifications came").Handle([this] {
      absl::MutexLock lock(&mu_);
      return CommandResult::Ok(Json(heard_).dump());
    });
    commands()
        .Add("conformance notifications")
        .Describe("Handle notifications, or not")
        .Perm("w")
        .Arg<What>("what")
        .Handle([this](What what) {
          absl::MutexLock lock(&mu_);
          held_ = what == What::kHold;
          return CommandResult::Ok();
        });
  }

  void AddMethods() {
    methods().Add("echo", [](const Json& args, const Json& kwargs) -> absl::StatusOr<Json> {
      return Json::array({args, kwargs});
    });
    // [text]
    methods().Add("fail", [](const Json& args, const Json&) -> absl::StatusOr<Json> {
      return absl::NotFoundError(args.at(0).get<std::string>());
    });
    // [module, method, args…]
    methods().Add("relay", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const Json rest(std::vector<Json>(args.begin() + 2, args.end()));
      return Remote(args.at(0).get<std::string>(), args.at(1).get<std::string>(), rest);
    });
  }

  CommandResult Wait(const CommandContext& context) {
    constexpr absl::Duration kLook = absl::Milliseconds(20);
    absl::MutexLock lock(&mu_);
    ++waiting_;
    const int64_t releases = releases_;
    const auto ended = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return releases_ > releases || ends_;
    };
    while (!mu_.AwaitWithTimeout(absl::Condition(&ended), kLook)) {
      if (context.cancelled()) {
        --waiting_;
        ++cancelled_;
        return CommandResult::Error(ECANCELED, "nobody waits any more");
      }
    }
    --waiting_;
    return CommandResult::Ok(ends_ ? "the module ends" : "released");
  }

  outpost::Option<std::string> greeting_ =
      options().Add<std::string>("greeting", "hello", "any text");
  outpost::Option<int64_t> limit_ =
      options().Add<int64_t>("limit", 3, "a small number", {.min = 1, .max = 10});

  absl::Mutex mu_;
  bool ends_ ABSL_GUARDED_BY(mu_) = false;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  int64_t releases_ ABSL_GUARDED_BY(mu_) = 0;
  int waiting_ ABSL_GUARDED_BY(mu_) = 0;
  int cancelled_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::vector<std::string>> heard_ ABSL_GUARDED_BY(mu_);  // type, id
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<Conformance>(argc, argv); }
