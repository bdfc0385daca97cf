#include "server/store_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/instance_lock.h"
#include "server/store/sqlite/maintenance.h"
#include "server/store/sqlite/recovery.h"
#include "server/stored_entries.h"
#include "server/text/toml_file.h"

namespace outpost {
namespace {

struct Arguments {
  std::string config;
  std::string data_dir;
  std::string file;  // of check: what to look at; of backup: what to make
  std::string from;

  std::string Store() const { return absl::StrCat(data_dir, "/state.db"); }
};

StoreOutcome Failed(const absl::Status& status) {
  const int exit_status = absl::IsDataLoss(status) ? kStoreDamaged : 1;
  return {exit_status, "", absl::StrCat("outpostd store: ", status.message(), "\n")};
}

// The flag, or the setting of the manager's file, or what the manager takes without both.
absl::Status FindDataDir(Arguments& arguments) {
  if (arguments.data_dir.empty() && !arguments.config.empty()) {
    const auto table = text::ParseTomlFile(arguments.config);
    if (!table.ok()) return table.status();
    arguments.data_dir = (*table)["data-dir"].value_or(std::string());
  }
  if (arguments.data_dir.empty()) arguments.data_dir = "/var/lib/outpost";
  return absl::OkStatus();
}

std::string Bytes(uint64_t bytes) {
  constexpr uint64_t kKiB = 1024;
  if (bytes < kKiB) return absl::StrCat(bytes, " B");
  const double kib = static_cast<double>(bytes) / kKiB;
  if (bytes < kKiB * kKiB) return absl::StrFormat("%.1f KiB", kib);
  return absl::StrFormat("%.1f MiB", kib / kKiB);
}

std::string Facts(const store::CheckReport& report) {
  return absl::StrCat("  schema version ", report.schema_version, ", ", report.entries,
                      " entries of ", Bytes(report.entry_bytes), "; the file has ",
                      Bytes(report.file_bytes), ", its log ", Bytes(report.log_bytes),
                      report.in_use ? "; a manager uses it" : "", "\n");
}

StoreOutcome Check(const Arguments& arguments) {
  const std::string file = arguments.file.empty() ? arguments.Store() : arguments.file;
  const auto report = store::CheckStore(file, CheckEntry);
  if (!report.ok()) return Failed(report.status());
  std::string out = absl::StrCat("state store ", report->path, " is ",
                                 report->whole() ? "whole" : "DAMAGED", "\n", Facts(*report));
  if (report->whole()) return {0, std::move(out), ""};
  for (const std::string& finding : report->findings) {
    absl::StrAppend(&out, "  - ", absl::CHexEscape(finding), "\n");
  }
  if (report->findings.size() == store::CheckReport::kMostFindings) {
    absl::StrAppend(&out, "  and perhaps more: these are the first\n");
  }
  absl::StrAppend(&out,
                  "With the manager stopped, `outpostd store recover` saves what can be read, and "
                  "`outpostd store recover --from FILE` takes a backup.\n");
  return {kStoreDamaged, std::move(out), ""};
}

StoreOutcome BackUp(const Arguments& arguments) {
  if (auto status = store::BackUpStore(arguments.Store(), arguments.file); !status.ok()) {
    return Failed(status);
  }
  const auto report = store::CheckStore(arguments.file, CheckEntry);
  if (!report.ok()) return Failed(report.status());
  return {0, absl::StrCat("backup ", report->path, " is made, and whole\n", Facts(*report)), ""};
}

// What was saved and lost, for each part of the manager.
std::string Areas(const store::SalvageResult& salvaged) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> areas;  // saved, lost
  for (const auto& [key, value] : salvaged.entries) ++areas[std::string(AreaOf(key))].first;
  for (const std::string& key : salvaged.lost_keys) ++areas[std::string(AreaOf(key))].second;
  std::string out = absl::StrFormat("%-20s %8s %8s\n", "AREA", "SAVED", "LOST");
  for (const auto& [area, counts] : areas) {
    absl::StrAppendFormat(&out, "%-20s %8d %8d\n", area, counts.first, counts.second);
  }
  return out;
}

std::string Losses(const store::SalvageResult& salvaged) {
  if (salvaged.losses.empty()) return "Nothing is known to be lost.\n";
  std::string out;
  if (salvaged.off_the_tree > 0) {
    absl::StrAppend(&out, salvaged.off_the_tree,
                    " of the saved entries come from pages to which nothing led any more.\n");
  }
  absl::StrAppend(&out, "Lost or damaged:\n");
  for (const std::string& loss : salvaged.losses) {
    absl::StrAppend(&out, "  - ", absl::CHexEscape(loss), "\n");
  }
  if (salvaged.losses.size() == store::SalvageResult::kMostLosses) {
    absl::StrAppend(&out, "  and perhaps more: these are the first\n");
  }
  if (salvaged.unreadable > 0) {
    absl::StrAppend(&out, salvaged.unreadable, " entries have no key that can be read.\n");
  }
  absl::StrAppend(&out,
                  "A page that is lost as a whole took entries with it that nobody can name; a "
                  "backup may have them.\n");
  return out;
}

StoreOutcome Recover(const Arguments& arguments) {
  std::error_code error;
  if (!arguments.from.empty()) {
    if (auto status = MakePrivateDirectory(arguments.data_dir); !status.ok()) return Failed(status);
  } else if (!std::filesystem::exists(arguments.data_dir, error)) {
    return Failed(
        absl::NotFoundError(absl::StrCat("there is no folder ", arguments.data_dir,
                                         " (--data-dir names it; --from takes a backup)")));
  }
  const auto lock = InstanceLock::Take(arguments.data_dir);
  if (!lock.ok()) return Failed(lock.status());

  const std::string file = arguments.Store();
  if (arguments.from.empty() && std::filesystem::exists(file, error)) {
    const auto report = store::CheckStore(file, CheckEntry);
    if (report.ok() && report->whole()) {
      return {0,
              absl::StrCat("state store ", report->path,
                           " is whole: there is nothing to recover, and nothing was done\n"),
              ""};
    }
    // Of a newer version, or another program's: its pages mean something else.
    if (absl::IsFailedPrecondition(report.status())) return Failed(report.status());
  }
  const auto report = arguments.from.empty()
                          ? store::RecoverStore(file, CheckEntry)
                          : store::RestoreStore(file, arguments.from, CheckEntry);
  if (!report.ok()) return Failed(report.status());
  std::string out;
  if (!arguments.from.empty()) {
    absl::StrAppend(&out, "state store ", report->check.path, " is that of the backup ",
                    arguments.from, " now\n");
  } else if (report->went_on) {
    absl::StrAppend(&out, "state store ", report->check.path,
                    ": the recovery that was cut off is finished\n");
  } else {
    absl::StrAppend(&out, "state store ", report->check.path, ": ", report->salvaged.entries.size(),
                    " entries are saved\n", Areas(report->salvaged), Losses(report->salvaged));
  }
  absl::StrAppend(&out, Facts(report->check));
  if (!report->kept.empty())
    absl::StrAppend(&out, "What was there is kept as ", report->kept, "\n");
  if (report->check.whole()) return {0, std::move(out), ""};
  return {kStoreDamaged, std::move(out),
          absl::StrCat(
              "outpostd store: the new file is not whole: ", report->check.findings.front(), "\n")};
}

}  // namespace

StoreOutcome RunStoreCommand(int argc, const char* const* argv) {
  Arguments arguments;
  CLI::App app(
      "The manager's store, <data-dir>/state.db: is it whole, a copy of it, what to do "
      "when it is damaged",
      "outpostd store");
  app.require_subcommand(1);
  app.footer("Exit status: 0; 1: it could not be done; 2: the command line is wrong; 65: damaged");
  CLI::App* const check = app.add_subcommand(
      "check", "read all of it, and tell whether it is whole; also while a manager uses it");
  check->add_option("FILE", arguments.file, "another file: a backup");
  CLI::App* const backup = app.add_subcommand(
      "backup", "copy it as it is at one moment to a new file; also while a manager uses it");
  backup->add_option("FILE", arguments.file, "the file to make")->required();
  CLI::App* const recover = app.add_subcommand(
      "recover", "make a new one of what can be read of it, or of a backup; the old one is kept");
  recover->add_option("--from", arguments.from, "a backup, to be taken instead");
  for (CLI::App* command : {check, backup, recover}) {
    command->add_option("--data-dir", arguments.data_dir,
                        "where the store is [/var/lib/outpost, or as --config says]");
    command->add_option("-c,--config", arguments.config, "the manager's TOML file");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {0, app.help(), ""};
  } catch (const CLI::ParseError& e) {
    return {2, "", absl::StrCat("outpostd store: ", e.what(), " (outpostd store --help)\n")};
  }
  if (auto status = FindDataDir(arguments); !status.ok()) return {2, "", Failed(status).err};
  if (check->parsed()) return Check(arguments);
  if (backup->parsed()) return BackUp(arguments);
  return Recover(arguments);
}

}  // namespace outpost
