// The C++ SDK's module API, for a test to try out on a real manager.
#include "outpost/main.h"

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/module.h"

namespace {

using outpost::CommandContext;
using outpost::CommandResult;
using outpost::Json;

constexpr absl::Duration kPatience = absl::Seconds(15);

enum class Color { kRed, kGreen };

}  // namespace

template <>
struct outpost::EnumChoices<Color> {
  static constexpr std::pair<const char*, Color> kChoices[] = {{"red", Color::kRed},
                                                               {"green", Color::kGreen}};
};

namespace {

// A value of the author's own.
struct Shelf {
  std::string name;
  std::vector<int64_t> boxes;
};
void to_json(Json& json, const Shelf& shelf) {
  json = {{"name", shelf.name}, {"boxes", shelf.boxes}};
}

Json StatusJson(const absl::Status& status) {
  return {absl::StatusCodeToString(status.code()), std::string(status.message())};
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

class Api : public outpost::Module {
 public:
  Api()
      : Module({.name = "api_cpp",
                .version = "1",
                .notify_types = {"command"},
                .max_concurrency = 4}) {
    AddCommands();
    AddOptionMethods();
    AddStoreMethods();
    AddWatchMethods();
    AddReportMethods();
    AddClusterMethods();
    options().OnChange<int64_t>(an_int_, [this](const int64_t& value) {
      absl::MutexLock lock(&mu_);
      told_["an_int"] = absl::StrCat(value);
    });
  }

  void ConfigChanged(const std::vector<std::string>& names) override {
    absl::MutexLock lock(&mu_);
    for (const std::string& name : names) told_[absl::StrCat("changed ", name)] = "yes";
  }

  void Notify(const outpost::Notification& notification) override {
    absl::MutexLock lock(&mu_);
    told_[absl::StrCat("command ", notification.id)] = "yes";
  }

  absl::StatusOr<std::string> SelfTest() override {
    if (an_int_.Get() == 9) return absl::InternalError("nine is no good");
    return "tried out";
  }

 private:
  void AddCommands() {
    commands()
        .Add("api-cpp shelf")
        .Describe("Show a shelf")
        .Handle(
            [] {
              return Shelf{"top: left", {1, 2}};
            },
            [](const Shelf& shelf) {
              return absl::StrCat("on ", shelf.name, ": ", absl::StrJoin(shelf.boxes, " and "));
            });
    commands()
        .Add("api-cpp args")
        .Describe("Give back the arguments")
        .Perm("rw")
        .Arg<Color>("color")
        .Arg<int64_t>("num", {.min = 1, .max = 9})
        .Arg<std::optional<double>>("factor")
        .Arg<outpost::ByteSize>("size", {.positional = false, .default_value = {{512}}})
        .Arg<bool>("loud", {.positional = false, .default_value = false})
        .Arg<std::optional<std::vector<std::string>>>("words", {.goodchars = "[a-z]"})
        .Handle([](Color color, int64_t num, std::optional<double> factor, outpost::ByteSize size,
                   bool loud, const std::optional<std::vector<std::string>>& words) {
          return Json{{"color", color == Color::kGreen ? "green" : "red"},
                      {"num", num},
                      {"factor", OrNull(factor)},
                      {"size", size.bytes},
                      {"loud", loud},
                      {"words", OrNull(words)}};
        });
    commands()
        .Add("api-cpp input")
        .Describe("Tell what the input file has")
        .NeedsInput("some bytes")
        .Handle([](const CommandContext& context) {
          std::vector<int> bytes;
          for (const char c : *context.inbuf()) bytes.push_back(static_cast<unsigned char>(c));
          return Json(bytes);
        });
    commands()
        .Add("api-cpp may")
        .Describe("Tell whether the caller may use a pool")
        .Perm("r")
        .Arg<std::string>("pool")
        .Handle([this](const std::string& pool) -> absl::StatusOr<Json> {
          const absl::StatusOr<bool> may = IsAuthorized({{"pool", pool}});
          if (!may.ok()) return may.status();
          return Json(*may);
        });
    commands()
        .Add("api-cpp toil")
        .Describe("Wait until whoever writes to the FIFO closes it, then add a line to the file")
        .Perm("rw")
        .Arg<std::string>("gate")
        .Arg<std::string>("tally")
        .Handle([](const std::string& gate, const std::string& tally) {
          std::ifstream(gate).get();
          std::ofstream(tally, std::ios::app) << "once\n";
          return CommandResult(0, "done\n", "");
        });
    commands().Add("api-cpp code").Describe("Fail, with output").Handle([] {
      return CommandResult(-ENOTEMPTY, "some output", "not empty");
    });
    commands().Add("api-cpp wait").Describe("Wait for the end of time").Handle([this] {
      // Whether this answer or the caller's own end of patience comes first is open.
      Remote("api_cpp", "wait").status().IgnoreError();
      return absl::DeadlineExceededError("the end of time has come");
    });
    // Until nobody waits any more.
    methods().Add("wait", [this](const outpost::CallContext& context, const Json&, const Json&) {
      return Wait(context);
    });
  }

  absl::StatusOr<Json> Wait(const outpost::CallContext& context) {
    std::stop_callback stopped(context.stop_token(), [this] {
      absl::MutexLock lock(&mu_);
      told_["cancelled"] = "yes";
    });
    const auto over = [this]()
                          ABSL_SHARED_LOCKS_REQUIRED(mu_) { return told_.contains("cancelled"); };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithDeadline(absl::Condition(&over), context.deadline());
    told_["waited"] = context.deadline() == absl::InfiniteFuture() ? "for ever" : "a time";
    return nullptr;
  }

  void AddOptionMethods() {
    methods().Add("options", [this](const Json&, const Json&) {
      return Json{{"a_str", a_str_.Get()},
                  {"an_int", an_int_.Get()},
                  {"a_uint", OrNull(a_uint_.Get())},
                  {"a_float", a_float_.Get()},
                  {"a_bool", a_bool_.Get()},
                  {"an_addr", OrNull(an_addr_.Get())},
                  {"a_uuid", OrNull(a_uuid_.Get())},
                  {"a_size", a_size_.Get().bytes},
                  {"secs", absl::ToDoubleSeconds(secs_.Get())},
                  {"colour", colour_.Get()}};
    });
    // [name, text or null, localized]
    methods().Add("set_option", [this](const Json& args, const Json&) {
      const std::string name = args.at(0);
      const bool localized = args.at(2);
      if (args.at(1).is_null()) {
        return StatusJson(localized ? RemoveLocalizedOption(name) : RemoveOption(name));
      }
      const std::string value = args.at(1);
      return StatusJson(localized ? SetLocalizedOption(name, value) : SetOption(name, value));
    });
    // [module, name]
    methods().Add("option_of", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto value =
          GetModuleOption(args.at(0).get<std::string>(), args.at(1).get<std::string>());
      if (!value.ok()) return StatusJson(value.status());
      return OrNull(*value);
    });
    // [module, name, text or null]
    methods().Add("set_option_of", [this](const Json& args, const Json&) {
      std::optional<std::string> value;
      if (!args.at(2).is_null()) value = args.at(2).get<std::string>();
      return StatusJson(
          SetModuleOption(args.at(0).get<std::string>(), args.at(1).get<std::string>(), value));
    });
    // [entity, name]
    methods().Add("cluster_option", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto value =
          GetClusterOption(args.at(0).get<std::string>(), args.at(1).get<std::string>());
      if (!value.ok()) return StatusJson(value.status());
      return OrNull(*value);
    });
    // [what]: waits until the module was told of it.
    methods().Add("await_told", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const std::string what = args.at(0);
      const auto told = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return told_.contains(what); };
      absl::MutexLock lock(&mu_);
      if (!mu_.AwaitWithTimeout(absl::Condition(&told), kPatience)) {
        return absl::DeadlineExceededError(absl::StrCat("nobody tells of ", what));
      }
      return told_.at(what);
    });
  }

  void AddStoreMethods() {
    // [key, value or null]
    methods().Add("put_localized", [this](const Json& args, const Json&) {
      std::optional<std::string> value;
      if (!args.at(1).is_null()) value = args.at(1).get<std::string>();
      return StatusJson(SetLocalizedStore(args.at(0).get<std::string>(), value));
    });
    methods().Add("put", [this](const Json& args, const Json&) {
      return StatusJson(SetStore(args.at(0).get<std::string>(), args.at(1).get<std::string>()));
    });
    methods().Add("get_localized", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      const auto value = GetLocalizedStore(args.at(0).get<std::string>());
      if (!value.ok()) return value.status();
      return OrNull(*value);
    });
    // [size]: sets a key to that many bytes.
    methods().Add("put_bytes", [this](const Json& args, const Json&) {
      return StatusJson(SetStore("bytes", std::string(args.at(0).get<size_t>(), '\xff')));
    });
  }

  void AddWatchMethods() {
    methods().Add("watch", [this](const Json&, const Json&) -> absl::StatusOr<Json> {
      auto keys = WatchStore("watched/", [this](const outpost::StoreChange& change) {
        absl::MutexLock lock(&mu_);
        heard_.push_back({change.key, OrNull(change.value)});
      });
      auto options = WatchOptions("probe", [this](const outpost::OptionChange& change) {
        absl::MutexLock lock(&mu_);
        heard_.push_back({absl::StrCat(change.module, ".", change.name), OrNull(change.value)});
      });
      if (!keys.ok()) return keys.status();
      if (!options.ok()) return options.status();
      if (absl::Status status = keys->AwaitPresent(kPatience); !status.ok()) return status;
      if (absl::Status status = options->AwaitPresent(kPatience); !status.ok()) return status;
      keys_ = *std::move(keys);
      options_ = *std::move(options);
      return Json();
    });
    methods().Add("heard", [this](const Json&, const Json&) {
      absl::MutexLock lock(&mu_);
      return Json(heard_);
    });
  }

  void AddReportMethods() {
    methods().Add("who", [this](const Json&, const Json&) -> absl::StatusOr<Json> {
      const absl::StatusOr<bool> connected = HaveMonConnection();
      if (!connected.ok()) return connected.status();
      return Json{{"name", Name()},           {"mgr_id", MgrId()}, {"version", Version()},
                  {"release", ReleaseName()}, {"ip", MgrIp()},     {"cluster", ClusterId()},
                  {"connected", *connected}};
    });
    // [id, message, progress]
    methods().Add("progress", [this](const Json& args, const Json&) {
      return StatusJson(UpdateProgress(
          {.id = args.at(0), .message = args.at(1), .progress = args.at(2).get<double>()}));
    });
    methods().Add("complete", [this](const Json& args, const Json&) {
      return StatusJson(CompleteProgress(args.at(0).get<std::string>()));
    });
    methods().Add("clear",
                  [this](const Json&, const Json&) { return StatusJson(ClearProgress()); });
    methods().Add("uri", [this](const Json& args, const Json&) {
      return StatusJson(SetUri(args.at(0).get<std::string>()));
    });
    // {arguments}
    methods().Add("is_authorized", [this](const Json& args, const Json&) -> absl::StatusOr<Json> {
      absl::StatusOr<bool> may = IsAuthorized(args.at(0).get<std::map<std::string, std::string>>());
      if (!may.ok()) return may.status();
      return Json(*may);
    });
    // [code, summary]
    methods().Add("health", [this](const Json& args, const Json&) {
      return StatusJson(SetHealthChecks(
          {{.code = args.at(0), .severity = outpost::Severity::kError, .summary = args.at(1)}}));
    });
    // [level, text]
    methods().Add("log", [this](const Json& args, const Json&) {
      const auto level = static_cast<outpost::LogLevel>(args.at(0).get<int>());
      log().Write(level, args.at(1).get<std::string>());
      return Json();
    });
    // [channel, text]
    methods().Add("cluster_log", [this](const Json& args, const Json&) {
      ClusterLog(args.at(0).get<std::string>(), outpost::LogLevel::kWarning,
                 args.at(1).get<std::string>());
      return Json();
    });
  }

  void AddClusterMethods() {
    const auto result_json = [](const absl::StatusOr<CommandResult>& result) {
      if (!result.ok()) return StatusJson(result.status());
      return Json{result->retval, result->out, result->err};
    };
    // [osd, command]
    methods().Add("osd_command", [this, result_json](const Json& args, const Json&) {
      return result_json(OsdCommand(args.at(0), args.at(1)));
    });
    methods().Add("mon_command", [this, result_json](const Json& args, const Json&) {
      return result_json(MonCommand(args.at(0)));
    });
    methods().Add("check_mon_command", [this, result_json](const Json& args, const Json&) {
      return result_json(CheckMonCommand(args.at(0)));
    });
    // [command, tag]: the result comes by a callback.
    methods().Add("send", [this](const Json& args, const Json&) {
      const std::string tag = args.at(1);
      SendCommand({.command = args.at(0), .tag = tag},
                  [this, tag](const absl::StatusOr<CommandResult>& result) {
                    absl::MutexLock lock(&mu_);
                    told_[absl::StrCat("result ", tag)] =
                        result.ok() ? result->err : std::string(result.status().message());
                  });
      return Json();
    });
  }

  const outpost::Option<std::string> a_str_ = options().Add<std::string>("a_str", "text", "a text");
  const outpost::Option<int64_t> an_int_ =
      options().Add<int64_t>("an_int", -3, "an int", {.min = -10, .max = 10});
  const outpost::Option<std::optional<uint64_t>> a_uint_ =
      options().AddUnset<uint64_t>("a_uint", "a uint");
  const outpost::Option<double> a_float_ =
      options().Add<double>("a_float", 0.5, "a float", {.min = 0, .max = 2});
  const outpost::Option<bool> a_bool_ = options().Add<bool>("a_bool", true, "a bool");
  const outpost::Option<std::optional<std::string>> an_addr_ = options().AddUnset<std::string>(
      "an_addr", "an address", {.type = outpost::OptionType::kAddr});
  const outpost::Option<std::optional<std::string>> a_uuid_ =
      options().AddUnset<std::string>("a_uuid", "a UUID", {.type = outpost::OptionType::kUuid});
  const outpost::Option<outpost::ByteSize> a_size_ =
      options().Add<outpost::ByteSize>("a_size", {4096}, "a size");
  const outpost::Option<absl::Duration> secs_ =
      options().Add<absl::Duration>("secs", absl::Seconds(5), "a time");
  const outpost::Option<std::string> colour_ =
      options().Add<std::string>("colour", "red", "one of two",
                                 {.choices = {"red", "green"},
                                  .long_description = "One of two colours, neither of them blue.",
                                  .level = outpost::OptionLevel::kDev,
                                  .tags = {"paint"},
                                  .see_also = {"a_str"},
                                  .runtime = false});

  absl::Mutex mu_;
  std::map<std::string, std::string> told_ ABSL_GUARDED_BY(mu_);
  std::vector<Json> heard_ ABSL_GUARDED_BY(mu_);  // of what is watched: [name, value]
  outpost::Watch keys_;
  outpost::Watch options_;
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<Api>(argc, argv); }
