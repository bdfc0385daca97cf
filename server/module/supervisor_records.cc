// Supervisor: the records in the store by which the next manager adopts a process.
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/log/log.h"
#include "server/module/supervisor.h"

namespace outpost::module {

std::string Supervisor::RecordOf(const Process& process, const std::string& token_hash,
                                 const std::string& fifo) {
  const Process::Launch launch = process.launch();
  // The path of a file has any bytes, text of JSON has not.
  return nlohmann::json{{"pid", process.pid()},
                        {"start_ticks", process.start_ticks()},
                        {"boot_id", BootId()},
                        {"group", absl::CEscape(launch.group)},
                        {"isolation", ToText(launch.isolation)},
                        {"output", absl::CEscape(fifo)},
                        {"token_sha256", token_hash}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<Supervisor::Record> Supervisor::ParseRecord(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto string = [&json](const char* key) -> std::string {
    const auto it = json.find(key);
    return it != json.end() && it->is_string() ? it->get<std::string>() : "";
  };
  const auto path = [&string](const char* key) {
    std::string bytes;
    return absl::CUnescape(string(key), &bytes) ? bytes : string(key);
  };
  const auto pid = json.find("pid");
  const auto ticks = json.find("start_ticks");
  if (pid == json.end() || !pid->is_number_integer() || ticks == json.end() ||
      !ticks->is_number_integer() || string("token_sha256").empty() ||
      string("boot_id") != BootId()) {
    return std::nullopt;
  }
  return Record{
      .pid = pid->get<pid_t>(),
      .start_ticks = ticks->get<uint64_t>(),
      .token_hash = string("token_sha256"),
      .output_fifo = path("output"),
      .launch = {.group = path("group"), .isolation = ParseMeasures(string("isolation"))}};
}

void Supervisor::WriteRecord(const std::string& key, std::string record) {
  // Without the record, a manager after this one starts a second process; the first then
  // finds that its token is not known, and ends.
  parts_.store->Write({.conditions = {}, .changes = {{key, std::move(record)}}},
                      [key](const absl::Status& status) {
                        if (!status.ok())
                          log::Get("module").error("{}: {}", key, status.ToString());
                      });
}

// With what it is held to, which was not known when it was started.
void Supervisor::WriteWholeRecord(Module& m) {
  if (m.process == nullptr || m.record_is_whole) return;
  m.record_is_whole = true;
  WriteRecord(absl::StrCat(kProcessPrefix, m.name),
              RecordOf(*m.process, m.token_hash, m.output_fifo));
}

void Supervisor::DropRecord(Module& m) {
  if (!m.has_record) return;
  m.has_record = false;
  DeleteRecord(absl::StrCat(kProcessPrefix, m.name));
}

void Supervisor::DeleteRecord(const std::string& key) {
  parts_.store->Write({.conditions = {}, .changes = {{key, std::nullopt}}},
                      [](const absl::Status&) {});
}

bool Supervisor::AdoptProcess(Module& m, const std::string& record) {
  const std::optional<Record> known = ParseRecord(record);
  if (!known) return false;
  m.run = ++next_run_;
  absl::StatusOr<std::shared_ptr<Process>> process =
      parts_.processes->Adopt(known->pid, known->start_ticks, known->output_fifo, known->launch,
                              CallbacksFor(m.name, m.run));
  if (!process.ok()) {
    parts_.processes->EndGroup(known->launch.group);  // what it has left behind
    return false;
  }
  m.process = *std::move(process);
  m.has_record = true;
  m.record_is_whole = true;
  m.token_hash = known->token_hash;
  m.output_fifo = known->output_fifo;
  SetTimer(m, m.policy.ready_timeout, [this](Module& late) {
    mu_.AssertHeld();
    FailAndRestart(late, "outlived the last manager, but did not attach to this one");
  });
  Tell(m, v1::EVENT_KIND_ADOPTED);
  SetState(m, v1::MODULE_STATE_STARTING,
           "has outlived the last manager; is expected to attach again");
  return true;
}

}  // namespace outpost::module
