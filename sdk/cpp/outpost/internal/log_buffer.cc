#include "outpost/internal/log_buffer.h"

#include <array>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/internal/utf8.h"
#include "outpost/v1/module_host.pb.h"

namespace outpost::internal {
namespace {

constexpr char kClusterChannel[] = "cluster";
constexpr std::array<const char*, 5> kLevels = {"debug", "info", "warning", "error", "critical"};

void PrintLine(LogLevel level, absl::string_view logger, absl::string_view text) {
  const std::string line = absl::StrCat("[", kLevels[static_cast<size_t>(level) - 1], "] ", logger,
                                        logger.empty() ? "" : ": ", text, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

void LogBuffer::Route(const LogRouting& routing) {
  level_.store(routing.level, std::memory_order_relaxed);
  LogRouting before;
  std::shared_ptr<LogFile> file;  // one that is closed goes without the lock
  {
    absl::MutexLock lock(&mu_);
    before = std::exchange(routing_, routing);
    if (before.file != routing.file) file.swap(file_);
  }
  if (!routing.file.empty() && before.file != routing.file) {
    absl::StatusOr<std::shared_ptr<LogFile>> opened = LogFile::Open(routing.file);
    if (opened.ok()) {
      absl::MutexLock lock(&mu_);
      file_ = *std::move(opened);
    } else {
      Append(LogLevel::kError, "sdk",
             absl::StrCat("log_to_file has no effect: ", opened.status().message(),
                          "; lines go to the manager's log"));
    }
  }
  if (!routing.problem.empty() && routing.problem != before.problem) {
    Append(LogLevel::kWarning, "sdk", routing.problem);
  }
}

void LogBuffer::Append(LogLevel level, absl::string_view logger, absl::string_view text) {
  AppendQuietly(level, logger, text);
  TellListener();
}

void LogBuffer::AppendToChannel(absl::string_view channel, LogLevel level, absl::string_view text) {
  Take({absl::Now(), level, "", std::string(text), std::string(channel)});
  TellListener();
}

void LogBuffer::AppendQuietly(LogLevel level, absl::string_view logger, absl::string_view text) {
  Take({absl::Now(), level, std::string(logger), std::string(text), ""});
}

void LogBuffer::TellListener() {
  std::shared_ptr<const std::function<void()>> listener;
  {
    absl::MutexLock lock(&mu_);
    listener = listener_;
  }
  if (listener) (*listener)();
}

void LogBuffer::Take(Line line) {
  line.text = ToUtf8(CutUtf8(line.text, kMaxLineBytes));
  line.channel = ToUtf8(line.channel);
  if (echo_.load(std::memory_order_relaxed)) PrintLine(line.level, line.logger, line.text);
  std::shared_ptr<LogFile> file;
  {
    absl::MutexLock lock(&mu_);
    if (line.channel.empty()) {
      file = file_;
      const auto& least = routing_.cluster_level;
      if (least && line.level >= *least) line.channel = kClusterChannel;
    }
  }
  if (file != nullptr) {
    file->Write(line.time, line.level, line.logger, line.text);
    if (line.channel.empty()) return;
  }
  absl::MutexLock lock(&mu_);
  bytes_ += line.text.size();
  lines_.push_back(std::move(line));
  while (lines_.size() > kMaxLines || bytes_ > kMaxBytes) {
    bytes_ -= lines_.front().text.size();
    lines_.pop_front();
    ++dropped_;
  }
}

bool LogBuffer::TakeBatch(v1::LogBatch* batch) {
  absl::MutexLock lock(&mu_);
  if (lines_.empty()) return false;
  batch->set_dropped(std::exchange(dropped_, 0));
  size_t taken = 0;
  for (size_t n = 0; n < kBatchLines && taken < kBatchBytes && !lines_.empty(); ++n) {
    Line& line = lines_.front();
    taken += line.text.size();
    bytes_ -= line.text.size();
    v1::LogRecord* record = batch->add_records();
    const int64_t nanos = absl::ToUnixNanos(line.time);
    record->mutable_time()->set_seconds(nanos / 1'000'000'000);
    record->mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    record->set_level(static_cast<v1::LogLevel>(line.level));
    record->set_logger(std::move(line.logger));
    record->set_message(std::move(line.text));
    record->set_channel(std::move(line.channel));
    lines_.pop_front();
  }
  return true;
}

void LogBuffer::SetListener(std::function<void()> listener) {
  std::shared_ptr<const std::function<void()>> shared;
  if (listener) shared = std::make_shared<const std::function<void()>>(std::move(listener));
  absl::MutexLock lock(&mu_);
  listener_ = std::move(shared);
}

void LogBuffer::DumpToStderr() {
  absl::MutexLock lock(&mu_);
  if (!echo_.load(std::memory_order_relaxed)) {
    for (const Line& line : lines_) PrintLine(line.level, line.logger, line.text);
  }
  lines_.clear();
  bytes_ = 0;
}

}  // namespace outpost::internal
