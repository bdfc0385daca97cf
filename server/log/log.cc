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
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/internal/utf8.h"
#include "server/event/proto_time.h"

namespace outpost::log {
namespace {

constexpr char kPattern[] = "%Y-%m-%dT%H:%M:%S.%e%z %l [%n] %v";
constexpr absl::string_view kComponents[] = {"main",  "module", "rpc",     "command",
                                             "store", "config", "cluster", "auth"};

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

v1::LogLevel LevelOf(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return v1::LOG_LEVEL_DEBUG;
    case spdlog::level::warn:
      return v1::LOG_LEVEL_WARNING;
    case spdlog::level::err:
      return v1::LOG_LEVEL_ERROR;
    case spdlog::level::critical:
      return v1::LOG_LEVEL_CRITICAL;
    default:
      return v1::LOG_LEVEL_INFO;
  }
}

spdlog::level::level_enum SpdlogLevel(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_DEBUG:
      return spdlog::level::debug;
    case v1::LOG_LEVEL_WARNING:
      return spdlog::level::warn;
    case v1::LOG_LEVEL_ERROR:
      return spdlog::level::err;
    case v1::LOG_LEVEL_CRITICAL:
      return spdlog::level::critical;
    default:
      return spdlog::level::info;
  }
}

// This thread is in Write, which keeps the line itself.
thread_local bool in_write = false;

// Where the manager's own lines go besides the log.
class HistorySink final : public spdlog::sinks::sink {
 public:
  explicit HistorySink(LogHistory* history) : history_(history) {}
  void log(const spdlog::details::log_msg& message) override {
    if (in_write) return;
    v1::LogRecord record;
    *record.mutable_time() = event::ToProto(absl::FromChrono(message.time));
    record.set_level(LevelOf(message.level));
    // Proto3 strings must be UTF-8; a path or a daemon's answer may be anything.
    record.set_message(
        internal::ToUtf8(absl::string_view(message.payload.data(), message.payload.size())));
    history_->Append(std::string(message.logger_name.data(), message.logger_name.size()),
                     std::move(record));
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  LogHistory* const history_;
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
      auto logger = std::make_unique<spdlog::logger>(std::string(component));
      Apply(*logger);
      it = loggers_.emplace(component, std::move(logger)).first;
    }
    return *it->second;
  }

  LogHistory& history() { return history_; }

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
    logger.sinks() = {sink_, history_sink_};
    logger.flush_on(spdlog::level::trace);
  }

  static spdlog::sink_ptr Stderr() {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern(kPattern);
    return sink;
  }

  LogHistory history_;
  const spdlog::sink_ptr history_sink_ = std::make_shared<HistorySink>(&history_);
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

std::vector<std::string> Components() { return {std::begin(kComponents), std::end(kComponents)}; }
absl::Status Configure(const Settings& settings) { return TheRegistry().Configure(settings); }
absl::Status Reopen() { return TheRegistry().Reopen(); }
spdlog::logger& Get(absl::string_view component) { return TheRegistry().Get(component); }
LogHistory& History() { return TheRegistry().history(); }

void Write(const std::string& source, v1::LogRecord record) {
  if (!record.has_time()) *record.mutable_time() = event::ToProto(absl::Now());
  in_write = true;
  Get("module").log(SpdlogLevel(record.level()), "{}{}{}: {}{}", source,
                    record.logger().empty() ? "" : "/", record.logger(),
                    record.channel().empty() ? "" : absl::StrCat("[", record.channel(), "] "),
                    record.message());
  in_write = false;
  History().Append(source, std::move(record));
}

}  // namespace outpost::log
