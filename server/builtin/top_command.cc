// top: what each module's process uses.
#include "server/builtin/top_command.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/render.h"
#include "server/event/proto_time.h"
#include "server/text/duration.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

// How much of a processor each process took since somebody last asked. Thread-safe.
class CpuShares {
 public:
  // Of one processor, 1.0; nullopt: it is not known yet, nobody has asked before.
  std::optional<double> Of(const v1::ModuleInfo& module) {
    const auto now = std::chrono::steady_clock::now();
    const double cpu = module.usage().cpu_seconds();
    absl::MutexLock lock(&mu_);
    const auto [it, added] = last_.try_emplace(module.name());
    Sample& last = it->second;
    const double passed = std::chrono::duration<double>(now - last.time).count();
    if (added || last.pid != module.pid()) {
      last = {.pid = module.pid(), .cpu = cpu, .time = now, .share = std::nullopt};
    } else if (passed >= kShortest) {
      // Two who ask at about the same time are told the same.
      last = {.pid = module.pid(), .cpu = cpu, .time = now, .share = (cpu - last.cpu) / passed};
    }
    return last.share;
  }

 private:
  static constexpr double kShortest = 0.2;  // seconds; the kernel counts in 10 ms
  struct Sample {
    int64_t pid = 0;
    double cpu = 0;
    std::chrono::steady_clock::time_point time;
    std::optional<double> share;
  };
  absl::Mutex mu_;
  std::map<std::string, Sample> last_ ABSL_GUARDED_BY(mu_);
};

struct Row {
  v1::ModuleInfo module;
  std::optional<double> cpu;  // of one processor
};

json RowJson(const Row& row) {
  const v1::ModuleInfo& m = row.module;
  json result = {{"name", m.name()},
                 {"state", module::StateName(m.state())},
                 {"pid", m.pid()},
                 {"cpu_percent", row.cpu ? json(*row.cpu * 100) : json()},
                 {"cpu_seconds", m.usage().cpu_seconds()},
                 {"rss_bytes", m.usage().rss_bytes()},
                 {"threads", m.usage().threads()},
                 {"open_files", m.usage().open_files()},
                 {"restarts", m.restarts()},
                 {"in_flight", m.in_flight()}};
  return result;
}

std::string TopTable(const std::vector<Row>& rows) {
  using Align = Table::Align;
  Table table({{"MODULE"},
               {"STATE"},
               {"PID", Align::kRight},
               {"CPU%", Align::kRight},
               {"TIME", Align::kRight},
               {"RSS", Align::kRight},
               {"THREADS", Align::kRight},
               {"FILES", Align::kRight},
               {"RESTARTS", Align::kRight},
               {"IN FLIGHT", Align::kRight}});
  for (const Row& row : rows) {
    const v1::ModuleInfo& m = row.module;
    table.AddRow(
        {m.name(), module::StateName(m.state()), absl::StrCat(m.pid()),
         row.cpu ? absl::StrFormat("%.1f", *row.cpu * 100) : "-",
         text::DurationText(absl::Seconds(m.usage().cpu_seconds()), absl::Milliseconds(10)),
         absl::StrFormat("%.1f MiB", static_cast<double>(m.usage().rss_bytes()) / (1 << 20)),
         absl::StrCat(m.usage().threads()), absl::StrCat(m.usage().open_files()),
         absl::StrCat(m.restarts()), absl::StrCat(m.in_flight())});
  }
  return table.Print();
}

}  // namespace

void AddTopCommand(const Subjects& subjects, command::Dispatcher* dispatcher) {
  auto shares = std::make_shared<CpuShares>();
  dispatcher->AddBuiltin(
      {.signature = "top",
       .description = "what each module's process uses now, most processor time first: CPU% is of "
                      "one processor, since `top` was run last",
       .permissions = "r",
       .poll = true},
      [s = subjects, shares](const BuiltinCall& call, ResultCallback done) {
        std::vector<Row> rows;
        for (v1::ModuleInfo& m : s.modules->ListWithUsage()) {
          if (!m.has_usage()) continue;
          std::optional<double> cpu = shares->Of(m);
          rows.push_back({.module = std::move(m), .cpu = cpu});
        }
        std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
          return std::pair(a.cpu.value_or(0), a.module.usage().cpu_seconds()) >
                 std::pair(b.cpu.value_or(0), b.module.usage().cpu_seconds());
        });
        json data = json::array();
        for (const Row& row : rows) data.push_back(RowJson(row));
        done(Render(call.format, data, [&] { return TopTable(rows); }));
      });
}

}  // namespace outpost::builtin
