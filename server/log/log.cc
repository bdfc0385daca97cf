#include "server/log/log.h"

#include <spdlog/details/file_helper.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace outpost::log {
namespace {

constexpr char kPattern[] = "%Y-%m-%dT%H:%M:%S.%e%z %l [%n] %v";
constexpr absl::string_view kComponents[] = {"main",  "module", "rpc",    "command",
                                             "store", "config", "cluster"};

// A file that can be opened again under its name.
class ReopenableFileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ReopenableFileSink(const std::string& path) : path_(path), file_(Open(path)) {}

  // Where that fails, the old file is written on.
  void Reopen() {
    auto file = Open(path_);
    std::lock_guard<std::mutex> lock(mutex_);
    file_ = std::move(file);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    file_->write(text);
    file_->flush();
  }
  void flush_() override { file_->flush(); }

 private:
  static std::unique_ptr<spdlog::details::file_helper> Open(const std::string& path) {
    auto file = std::make_unique<spdlog::details::file_helper>();
    file->open(path);
    return file;
  }

  const std::string path_;
  std::unique_ptr<spdlog::details::file_helper> file_;
};

class Registry {
 public:
  absl::Status Configure(const Settings& settings) {
    absl::MutexLock lock(&mu_);
    absl::flat_hash_map<std::string, spdlog::level::level_enum> levels;
    spdlog::level::level_enum level;
    if (auto s = ParseLevel(settings.level, &level); !s.ok()) return s;
    for (const auto& [component, name] : settings.levels) {
      if (std::find(std::begin(kComponents), std::end(kComponents), component) ==
          std::end(kComponents)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "log component \"", component, "\" is not one of ", absl::StrJoin(kComponents, ", ")));
      }
      if (auto s = ParseLevel(name, &levels[component]); !s.ok()) return s;
    }
    if (!settings.file.empty()) {
      try {
        file_ = std::make_shared<ReopenableFileSink>(settings.file);
      } catch (const spdlog::spdlog_ex& e) {
        return absl::UnavailableError(absl::StrCat("log file ", settings.file, ": ", e.what()));
      }
      sink_ = file_;
      sink_->set_pattern(kPattern);
    }
    level_ = level;
    levels_ = std::move(levels);
    for (auto& [name, logger] : loggers_) Apply(*logger);
    return absl::OkStatus();
  }

  absl::Status Reopen() {
    absl::MutexLock lock(&mu_);
    if (file_ == nullptr) return absl::OkStatus();
    try {
      file_->Reopen();
    } catch (const spdlog::spdlog_ex& e) {
      return absl::UnavailableError(absl::StrCat("log file: ", e.what()));
    }
    return absl::OkStatus();
  }

  spdlog::logger& Get(absl::string_view component) {
    absl::MutexLock lock(&mu_);
    auto it = loggers_.find(component);
    if (it == loggers_.end()) {
      auto logger = std::make_unique<spdlog::logger>(std::string(component), sink_);
      Apply(*logger);
      it = loggers_.emplace(component, std::move(logger)).first;
    }
    return *it->second;
  }

 private:
  static absl::Status ParseLevel(const std::string& name, spdlog::level::level_enum* level) {
    *level = spdlog::level::from_str(name);
    if (*level == spdlog::level::off && name != "off") {
      return absl::InvalidArgumentError(
          absl::StrCat("log level \"", name,
                       "\" is not one of trace, debug, info, warning, error, critical, off"));
    }
    return absl::OkStatus();
  }

  void Apply(spdlog::logger& logger) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto it = levels_.find(logger.name());
    logger.set_level(it == levels_.end() ? level_ : it->second);
    logger.sinks() = {sink_};
    logger.flush_on(spdlog::level::trace);
  }

  static spdlog::sink_ptr Stderr() {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern(kPattern);
    return sink;
  }

  absl::Mutex mu_;
  std::shared_ptr<ReopenableFileSink> file_ ABSL_GUARDED_BY(mu_);
  spdlog::sink_ptr sink_ ABSL_GUARDED_BY(mu_) = Stderr();
  spdlog::level::level_enum level_ ABSL_GUARDED_BY(mu_) = spdlog::level::info;
  absl::flat_hash_map<std::string, spdlog::level::level_enum> levels_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, std::unique_ptr<spdlog::logger>> loggers_ ABSL_GUARDED_BY(mu_);
};

Registry& TheRegistry() {
  static Registry* const registry = new Registry;  // loggers outlive every static destructor
  return *registry;
}

}  // namespace

absl::Status Configure(const Settings& settings) { return TheRegistry().Configure(settings); }
absl::Status Reopen() { return TheRegistry().Reopen(); }
spdlog::logger& Get(absl::string_view component) { return TheRegistry().Get(component); }

}  // namespace outpost::log
