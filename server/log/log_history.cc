#include "server/log/log_history.h"

#include <algorithm>
#include <utility>

namespace outpost::log {
namespace {

size_t SizeOf(const Line& line) {
  return line.source.size() + line.record.logger().size() + line.record.message().size();
}

}  // namespace

absl::string_view ShortLevel(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_DEBUG:
      return "DBG";
    case v1::LOG_LEVEL_WARNING:
      return "WRN";
    case v1::LOG_LEVEL_ERROR:
    case v1::LOG_LEVEL_CRITICAL:
      return "ERR";
    default:
      return "INF";
  }
}

bool LineFilter::Matches(const Line& line) const {
  if (!module.empty() && line.source != module) return false;
  if (channel == "*" ? line.record.channel().empty()
                     : !channel.empty() && line.record.channel() != channel) {
    return false;
  }
  return line.record.level() >= min_level;
}

void LogHistory::Append(std::string source, v1::LogRecord record) {
  if (record.level() == v1::LOG_LEVEL_UNSPECIFIED) record.set_level(v1::LOG_LEVEL_INFO);
  auto line = std::make_shared<const Line>(Line{std::move(source), std::move(record)});
  {
    absl::MutexLock lock(&mu_);
    bytes_ += SizeOf(*line);
    lines_.push_back(line);
    while (lines_.size() > kMaxLines || (bytes_ > kMaxBytes && lines_.size() > 1)) {
      bytes_ -= SizeOf(*lines_.front());
      lines_.pop_front();
      ++first_;
    }
  }
  absl::MutexLock lock(&listeners_mu_);
  for (const auto& [id, listener] : listeners_) listener(line);
}

std::vector<LinePtr> LogHistory::Last(size_t limit, const LineFilter& filter,
                                      uint64_t* next) const {
  std::vector<LinePtr> found;
  absl::MutexLock lock(&mu_);
  for (auto line = lines_.rbegin(); line != lines_.rend() && found.size() < limit; ++line) {
    if (filter.Matches(**line)) found.push_back(*line);
  }
  std::reverse(found.begin(), found.end());
  if (next != nullptr) *next = first_ + lines_.size();
  return found;
}

LinePtr LogHistory::Read(uint64_t* next, const LineFilter& filter, uint64_t* missed) const {
  absl::MutexLock lock(&mu_);
  if (*next < first_) {
    *missed += first_ - *next;
    *next = first_;
  }
  while (*next < first_ + lines_.size()) {
    const LinePtr& line = lines_[*next - first_];
    ++*next;
    if (filter.Matches(*line)) return line;
  }
  return nullptr;
}

std::set<std::string> LogHistory::Sources() const {
  std::set<std::string> sources;
  absl::MutexLock lock(&mu_);
  for (const LinePtr& line : lines_) sources.insert(line->source);
  return sources;
}

uint64_t LogHistory::Listen(std::function<void(const LinePtr&)> listener) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_[next_listener_] = std::move(listener);
  return next_listener_++;
}

void LogHistory::Unlisten(uint64_t id) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_.erase(id);
}

}  // namespace outpost::log
