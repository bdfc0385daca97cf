#include "server/notify/cluster_log.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/log/log.h"

namespace outpost::notify {

ClusterLogForwarder::ClusterLogForwarder(log::LogHistory* history, NotificationHub* hub)
    : history_(history), listener_(history->Listen([hub](const log::LinePtr& line) {
        const v1::LogRecord& record = line->record;
        if (record.channel().empty()) return;
        const nlohmann::json entry = {
            {"name", line->source},
            {"channel", record.channel()},
            {"priority", absl::StrCat("[", log::ShortLevel(record.level()), "]")},
            {"message", record.message()}};
        hub->PublishEvent(
            {.type = "clog",
             .id = record.channel(),
             .payload_json = entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
             .only_for = ""});
      })) {}

ClusterLogForwarder::~ClusterLogForwarder() { history_->Unlisten(listener_); }

void LogHealth(const std::string& manager, const v1::HealthEvent& event) {
  const v1::HealthCheck& check = event.check();
  v1::LogRecord record;
  record.set_channel("cluster");
  if (event.cleared()) {
    record.set_level(v1::LOG_LEVEL_INFO);
    record.set_message(
        absl::StrCat("Health check cleared: ", check.code(), " (was: ", check.summary(), ")"));
  } else {
    record.set_level(check.severity() == v1::SEVERITY_ERROR ? v1::LOG_LEVEL_ERROR
                                                            : v1::LOG_LEVEL_WARNING);
    record.set_message(absl::StrCat("Health check ", event.changed() ? "update" : "failed", ": ",
                                    check.summary(), " (", check.code(), ")"));
  }
  log::Write(manager, std::move(record));
}

}  // namespace outpost::notify
