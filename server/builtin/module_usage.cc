#include "server/builtin/module_usage.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "outpost/table.h"

namespace outpost::builtin {
namespace {

using nlohmann::json;

uint64_t Answered(const v1::RequestStats& stats) { return stats.succeeded() + stats.failed(); }

uint64_t NotAnswered(const v1::RequestStats& stats) {
  return stats.timed_out() + stats.cancelled() + stats.lost() + stats.refused();
}

json RequestsJson(const v1::RequestStats& stats) {
  return {{"succeeded", stats.succeeded()},
          {"failed", stats.failed()},
          {"timed_out", stats.timed_out()},
          {"cancelled", stats.cancelled()},
          {"lost", stats.lost()},
          {"refused", stats.refused()},
          {"seconds", stats.latency().sum_seconds()}};
}

// "-" where nothing was answered.
std::string MeanTime(const v1::RequestStats& stats) {
  const uint64_t answered = Answered(stats);
  if (answered == 0) return "-";
  return absl::StrFormat("%.2f ms",
                         stats.latency().sum_seconds() * 1e3 / static_cast<double>(answered));
}

}  // namespace

json UsageJson(const v1::ModuleInfo& module) {
  json result = {{"waiting", module.waiting()},
                 {"commands", RequestsJson(module.commands())},
                 {"calls", RequestsJson(module.calls())}};
  if (module.has_usage()) {
    result["usage"] = {{"rss_bytes", module.usage().rss_bytes()},
                       {"cpu_seconds", module.usage().cpu_seconds()},
                       {"threads", module.usage().threads()},
                       {"open_files", module.usage().open_files()}};
  }
  return result;
}

std::string UsageTable(const std::vector<v1::ModuleInfo>& modules) {
  using Align = Table::Align;
  Table table({{"MODULE"},
               {"CPU", Align::kRight},
               {"THREADS", Align::kRight},
               {"FILES", Align::kRight},
               {"WAITING", Align::kRight},
               {"COMMANDS", Align::kRight},
               {"FAILED", Align::kRight},
               {"UNANSWERED", Align::kRight},
               {"MEAN", Align::kRight},
               {"CALLS", Align::kRight}});
  for (const v1::ModuleInfo& m : modules) {
    const bool used = m.has_usage();
    table.AddRow({m.name(), used ? absl::StrFormat("%.1f s", m.usage().cpu_seconds()) : "-",
                  used ? absl::StrCat(m.usage().threads()) : "-",
                  used ? absl::StrCat(m.usage().open_files()) : "-", absl::StrCat(m.waiting()),
                  absl::StrCat(Answered(m.commands())), absl::StrCat(m.commands().failed()),
                  absl::StrCat(NotAnswered(m.commands()) + NotAnswered(m.calls())),
                  MeanTime(m.commands()), absl::StrCat(Answered(m.calls()))});
  }
  return table.Print();
}

}  // namespace outpost::builtin
