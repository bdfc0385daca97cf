#include "server/cluster/ceph/log_lines.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/event/proto_time.h"

namespace outpost::cluster::ceph {
namespace {

constexpr absl::string_view kUsualChannel = "cluster";

struct Level {
  absl::string_view name;  // Ceph's
  v1::LogLevel level;
};
constexpr Level kLevels[] = {
    {"DBG", v1::LOG_LEVEL_DEBUG},   {"INF", v1::LOG_LEVEL_INFO},  {"SEC", v1::LOG_LEVEL_WARNING},
    {"WRN", v1::LOG_LEVEL_WARNING}, {"ERR", v1::LOG_LEVEL_ERROR},
};

v1::LogLevel LevelNamed(absl::string_view name) {
  for (const Level& level : kLevels) {
    if (absl::StrContains(name, level.name)) return level.level;
  }
  return v1::LOG_LEVEL_INFO;
}

absl::string_view Prefix(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_DEBUG:
      return "[DBG] ";
    case v1::LOG_LEVEL_WARNING:
      return "[WRN] ";
    case v1::LOG_LEVEL_ERROR:
    case v1::LOG_LEVEL_CRITICAL:
      return "[ERR] ";
    default:
      return "";
  }
}

}  // namespace

std::optional<v1::LogRecord> LogLines::Received(const Raw& raw) {
  {
    absl::MutexLock lock(&mu_);
    // Of a client that has sent a command the monitor tells the address, not the number.
    if (!own_address_.empty() && absl::EndsWith(raw.rank, absl::StrCat(" ", own_address_))) {
      const auto ours = std::find(expected_.begin(), expected_.end(), raw.message);
      if (ours != expected_.end()) {
        expected_.erase(ours);
        return std::nullopt;
      }
    }
    Key key(raw.rank, raw.sequence, raw.time, raw.message);
    if (!seen_.insert(key).second) return std::nullopt;
    order_.push_back(std::move(key));
    if (order_.size() > kRemembered) {
      seen_.erase(order_.front());
      order_.pop_front();
    }
  }
  v1::LogRecord line;
  *line.mutable_time() = event::ToProto(raw.time);
  line.set_level(LevelNamed(raw.level));
  line.set_channel(std::string(raw.channel.empty() ? kUsualChannel : raw.channel));
  line.set_message(std::string(raw.message));
  return line;
}

std::optional<std::string> LogLines::Send(const v1::LogRecord& line) {
  std::string text =
      absl::StrCat(line.channel() == kUsualChannel ? "" : absl::StrCat(line.channel(), ": "),
                   Prefix(line.level()), line.message());
  absl::MutexLock lock(&mu_);
  if (on_their_way_ == kMaxOnTheirWay) return std::nullopt;
  ++on_their_way_;
  expected_.push_back(text);
  if (expected_.size() > kMaxExpected) expected_.pop_front();
  return text;
}

void LogLines::Sent(const std::string& text, bool written) {
  absl::MutexLock lock(&mu_);
  --on_their_way_;
  if (written) return;
  const auto ours = std::find(expected_.begin(), expected_.end(), text);
  if (ours != expected_.end()) expected_.erase(ours);
}

void LogLines::SetOwnAddress(absl::string_view address) {
  absl::MutexLock lock(&mu_);
  own_address_ = std::string(address);
}

}  // namespace outpost::cluster::ceph
