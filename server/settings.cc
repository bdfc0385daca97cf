#include "server/settings.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/text/nearest.h"
#include "server/text/toml_file.h"
#include "server/text/toml_words.h"

namespace outpost {
namespace {

namespace fs = std::filesystem;

// `relative` beside the directory of the running program, if there is such a
// thing: how an installation that was moved finds its parts.
std::string BesideProgram(const std::string& relative) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return "";
  const fs::path path = (program.parent_path() / ".." / relative).lexically_normal();
  return fs::exists(path, error) ? path.string() : "";
}

// A module runs in a directory of its own, where a relative path is another one.
void MakeAbsolute(std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (!path.empty() && !error) path = absolute.lexically_normal().string();
}

// An octal mode of a socket: read and write are the same there.
int ParseMode(const std::string& text) {
  int mode = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size() || (mode & ~0666) != 0 ||
      (mode & 0600) != 0600) {
    throw CLI::ValidationError(
        absl::StrCat("--socket-mode \"", text, "\" is not one of 0600, 0660 and 0666"));
  }
  return mode;
}

void AddLocalUser(const std::string& word, std::map<unsigned, std::string>& users) {
  const size_t equals = word.find('=');
  unsigned uid = 0;
  if (equals == std::string::npos || !absl::SimpleAtoi(word.substr(0, equals), &uid) ||
      equals + 1 == word.size()) {
    throw CLI::ValidationError(
        absl::StrCat("--local-user \"", word, "\" is not UID=NAME, such as 1000=alice"));
  }
  users[uid] = word.substr(equals + 1);
}

void AddFlags(CLI::App& app, Settings& s, std::string& config_file) {
  app.add_option("-c,--config", config_file, "a TOML file with these settings as keys");
  app.add_option("--id", s.id, "the manager's name, as in localized options")
      ->capture_default_str();
  app.add_option("--data-dir", s.data_dir, "where options and keys are kept")
      ->capture_default_str();
  app.add_option("--run-dir", s.run_dir, "where the socket is: <run-dir>/outpost.sock")
      ->capture_default_str();
  app.add_option("--listen-tls", s.listen_tls,
                 "also listen on HOST:PORT, by mutual TLS; may be repeated");
  app.add_option("--tls-dir", s.tls_dir, "for TLS: the directory of tls.crt, tls.key and ca.crt");
  app.add_option("--tls-revoked", s.tls_revoked,
                 "for TLS: the list of revoked certificates (default: revoked in --tls-dir)");
  app.add_option("--trust-domain", s.trust_domain,
                 "for TLS: callers are spiffe://TRUST-DOMAIN/user/NAME and …/module/NAME")
      ->capture_default_str();
  app.add_option("--listen-plaintext-tcp", s.plaintext_tcp,
                 "also listen on HOST:PORT, without encryption and without a password: whoever "
                 "reaches the port may do everything");
  app.add_option_function<std::string>(
         "--socket-mode", [&s](const std::string& text) { s.socket_mode = ParseMode(text); },
         "who may connect to the socket, in octal; what they may do there, caps say")
      ->type_name("MODE");
  app.add_flag("--relayed-tokens", s.relayed_tokens,
               "let who may do everything bring a module's token: for a relay, such as a recorder, "
               "between modules and the socket");
  app.add_option_function<std::vector<std::string>>(
         "--local-user",
         [&s](const std::vector<std::string>& words) {
           for (const std::string& word : words) AddLocalUser(word, s.local_users);
         },
         "UID=NAME: the user of this machine is user/NAME here, and not as the machine calls "
         "them; may be repeated")
      ->type_name("UID=NAME");
  app.add_option("--module-path", s.module_path, "a directory of modules; may be repeated");
  app.add_option("--initial-modules", s.initial_modules,
                 "enable these, comma separated, when nothing was ever enabled or disabled")
      ->delimiter(',');
  app.add_option("--python", s.python, "the interpreter for Python modules")->capture_default_str();
  app.add_option("--python-path", s.python_path, "the directory of the Python package `outpost`");
  app.add_option("--launcher", s.launcher,
                 "the program outpost-launch, which sets a module's limits and becomes the module");
  app.add_option("--source", s.source, "where cluster data comes from: sim, ceph, report")
      ->capture_default_str();
  app.add_option("--sim-osds", s.sim_osds, "sim: how many OSDs (1 to 10000)")
      ->capture_default_str();
  app.add_option("--sim-seed", s.sim_seed, "sim: what the cluster is made from")
      ->capture_default_str();
  app.add_option("--sim-speed", s.sim_speed, "sim: simulated seconds in a second; 0: stand still")
      ->capture_default_str();
  app.add_option("--sim-script", s.sim_script,
                 "sim: a file that tells what befalls the cluster, and when");
  app.add_option("--ceph-conf", s.ceph_conf, "ceph: the configuration file")->capture_default_str();
  app.add_option("--ceph-name", s.ceph_name, "ceph: the client to be")->capture_default_str();
  app.add_option("--ceph-keyring", s.ceph_keyring, "ceph: its keyring, if ceph.conf does not say");
  app.add_flag(
      "--take-reports", s.take_reports,
      "daemons may report themselves beside a source sim or ceph; report takes them anyway");
  app.add_option("--report-interval", s.report_interval,
                 "seconds from one report of a daemon to the next")
      ->capture_default_str();
  app.add_option("--report-min-priority", s.report_min_priority,
                 "report only counters of at least this priority (0 to 10)")
      ->capture_default_str();
  app.add_option("--report-max-lag", s.report_max_lag,
                 "when most reports come more seconds late than this, daemons report less often")
      ->capture_default_str();
  app.add_option("--report-max-interval", s.report_max_interval,
                 "the most seconds to which the interval grows then")
      ->capture_default_str();
  app.add_option(
         "--report-lease", s.report_lease,
         "seconds without a report after which a daemon is stale, unless it asks for others")
      ->capture_default_str();
  app.add_option("--report-drop-after", s.report_drop_after,
                 "seconds without a report after which a daemon is forgotten")
      ->capture_default_str();
  app.add_option("--report-max-daemons", s.report_max_daemons, "how many daemons may report")
      ->capture_default_str();
  app.add_option("--max-message-mib", s.max_message_mib, "the largest message of a client, in MiB")
      ->capture_default_str();
  app.add_option("--max-sessions", s.max_sessions, "how many modules may be attached")
      ->capture_default_str();
  app.add_option("--max-starting", s.max_starting,
                 "how many modules start at the same time (0: one less than there are processors)")
      ->capture_default_str();
  app.add_option(
         "--starts-per-second", s.starts_per_second,
         "how many modules start in a second; the others wait for their turn, but for those "
         "that start with the manager (0: 2 for each processor)")
      ->capture_default_str();
  app.add_option("--registrations-per-second", s.registrations_per_second,
                 "how often a module may register, after ten times as many at once")
      ->capture_default_str();
  app.add_option("--max-streams", s.max_streams,
                 "how many watches, subscriptions and the like may be open")
      ->capture_default_str();
  app.add_option("--max-streams-per-peer", s.max_streams_per_peer,
                 "how many of these one module, or all else on one host, may have")
      ->capture_default_str();
  app.add_option("--max-calls-per-connection", s.max_calls_per_connection,
                 "calls at once on a connection; further ones wait in the client")
      ->capture_default_str();
  app.add_option("--slow-reader-timeout", s.slow_reader_timeout,
                 "seconds after which a stream whose client takes nothing is cut off")
      ->capture_default_str();
  app.add_option("--first-message-timeout", s.first_message_timeout,
                 "seconds that a client has to speak on a stream that it begins")
      ->capture_default_str();
  app.add_option("--dead-peer-timeout", s.dead_peer_timeout,
                 "seconds after which a connection without a sign of life is closed")
      ->capture_default_str();
  app.add_option("--audit-file", s.audit_file,
                 "who did what, opened again on SIGHUP (default: audit.log in --data-dir)");
  app.add_option("--log-file", s.log_file, "log to a file, opened again on SIGHUP; else to stderr");
  app.add_option("--log-level", s.log_levels,
                 "LEVEL or COMPONENT=LEVEL: trace, debug, info, warning, error, critical, off; "
                 "components: main, module, rpc, command, store, config, cluster, auth")
      ->capture_default_str();
  app.add_option("--ready-timeout", s.ready_timeout,
                 "seconds that a module has from its start until it serves")
      ->capture_default_str();
  app.add_option("--heartbeat-interval", s.heartbeat_interval,
                 "seconds between the heartbeats of a module; after three without an answer it is "
                 "started again")
      ->capture_default_str();
  app.add_option("--module-setting", s.module_setting_words,
                 "MODULE.KEY=VALUE: how a module's process is kept, such as hello.memory=64M or "
                 "*.restart=on-failure; may be repeated");
  app.add_option("--shutdown-grace", s.shutdown_grace,
                 "seconds that a module has to end before SIGTERM, and then before SIGKILL")
      ->capture_default_str();
}

absl::Status ReadOptions(const std::string& file, const toml::table& table, Settings& settings) {
  for (const auto& [key, value] : table) {
    const auto words = text::TomlWords(value);
    if (!words.ok() || value.is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(file, " line ", value.source().begin.line,
                                                     ": options.\"", std::string(key.str()),
                                                     "\" must be a string, a number or a boolean"));
    }
    settings.options[std::string(key.str())] = (*words)[0];
  }
  return absl::OkStatus();
}

// [modules.NAME]: what holds for that module's process; of all, where NAME is "*".
absl::Status ReadModules(const std::string& file, const toml::table& modules, Settings& settings) {
  for (const auto& [name, table] : modules) {
    const std::string where = absl::StrCat(file, " line ", table.source().begin.line, ": modules.",
                                           std::string(name.str()));
    if (!table.is_table()) {
      return absl::InvalidArgumentError(absl::StrCat(where, " must be a table"));
    }
    for (const auto& [key, value] : *table.as_table()) {
      const auto words = text::TomlWords(value);
      if (!words.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(where, ": ", std::string(key.str()), " ", words.status().message()));
      }
      module::OperatorSetting setting = {.module = std::string(name.str()),
                                         .setting = {std::string(key.str()), *words}};
      module::ProcessPolicy scratch;
      if (auto status = Apply(setting.setting, &scratch); !status.ok()) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", status.message()));
      }
      settings.module_settings.push_back(std::move(setting));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadFile(const std::string& file, CLI::App& app, Settings& settings) {
  const absl::StatusOr<toml::table> parsed = text::ParseTomlFile(file);
  if (!parsed.ok()) return parsed.status();
  const toml::table& table = *parsed;
  for (const auto& [toml_key, value] : table) {
    const std::string key(toml_key.str());
    const std::string where = absl::StrCat(file, " line ", value.source().begin.line);
    if (key == "options") {
      if (!value.is_table()) {
        return absl::InvalidArgumentError(
            absl::StrCat(where, ": options must be a table, [options]"));
      }
      if (auto status = ReadOptions(file, *value.as_table(), settings); !status.ok()) {
        return status;
      }
      continue;
    }
    if (key == "modules") {
      if (!value.is_table()) {
        return absl::InvalidArgumentError(
            absl::StrCat(where, ": modules must hold tables, [modules.NAME]"));
      }
      if (auto status = ReadModules(file, *value.as_table(), settings); !status.ok()) return status;
      continue;
    }
    CLI::Option* option = key == "config" || key == "help" || key == "version"
                              ? nullptr
                              : app.get_option_no_throw("--" + key);
    if (option == nullptr) {
      std::vector<std::string> known = {"modules", "options"};
      for (const CLI::Option* other : app.get_options()) {
        const std::string name = other->get_lnames().empty() ? "" : other->get_lnames()[0];
        if (!name.empty() && name != "config" && name != "help" && name != "version") {
          known.push_back(name);
        }
      }
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": there is no setting \"", key, "\"",
                       text::DidYouMean(text::Nearest(key, known, 1))));
    }
    if (option->count() > 0) continue;  // the flag wins
    const auto words = text::TomlWords(value);
    if (!words.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": ", key, " ", words.status().message()));
    }
    try {
      for (const std::string& word : *words) option->add_result(word);
      option->run_callback();
    } catch (const CLI::ParseError& e) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": ", e.what()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAddress(absl::string_view flag, const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;  // gRPC would take 65537 for 1
  if (colon != std::string::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) &&
      port >= 0 && port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " \"", address, "\" is not HOST:PORT with a port from 0 to 65535"));
}

absl::Status Validate(const Settings& s) {
  if (s.id.empty() || s.id.find('/') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("--id \"", s.id, "\": a manager's name is not empty and has no slash"));
  }
  if (s.source != "sim" && s.source != "ceph" && s.source != "report") {
    return absl::InvalidArgumentError(
        absl::StrCat("--source \"", s.source, "\" is not one of sim, ceph, report"));
  }
  if (s.sim_osds < 1 || s.sim_osds > 10000) {
    return absl::InvalidArgumentError(
        absl::StrCat("--sim-osds ", s.sim_osds, " is not between 1 and 10000"));
  }
  if (s.sim_speed < 0) {
    return absl::InvalidArgumentError(absl::StrCat("--sim-speed ", s.sim_speed, " is negative"));
  }
  for (const auto& [flag, seconds] : {std::pair("--ready-timeout", s.ready_timeout),
                                      std::pair("--shutdown-grace", s.shutdown_grace),
                                      std::pair("--heartbeat-interval", s.heartbeat_interval),
                                      std::pair("--report-interval", s.report_interval),
                                      std::pair("--slow-reader-timeout", s.slow_reader_timeout),
                                      std::pair("--first-message-timeout", s.first_message_timeout),
                                      std::pair("--report-max-lag", s.report_max_lag),
                                      std::pair("--report-max-interval", s.report_max_interval)}) {
    if (seconds > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " ", seconds, " is not a number of seconds greater than 0"));
  }
  if (s.report_min_priority < 0 || s.report_min_priority > 10) {
    return absl::InvalidArgumentError(
        absl::StrCat("--report-min-priority ", s.report_min_priority, " is not between 0 and 10"));
  }
  if (s.report_lease < 2 * s.report_interval) {
    return absl::InvalidArgumentError(absl::StrCat("--report-lease ", s.report_lease,
                                                   " is not at least twice --report-interval ",
                                                   s.report_interval));
  }
  if (s.report_drop_after <= s.report_lease) {
    return absl::InvalidArgumentError(absl::StrCat("--report-drop-after ", s.report_drop_after,
                                                   " is not greater than --report-lease ",
                                                   s.report_lease));
  }
  if (s.dead_peer_timeout < 4 || s.dead_peer_timeout > 86400) {
    return absl::InvalidArgumentError(absl::StrCat("--dead-peer-timeout ", s.dead_peer_timeout,
                                                   " is not between 4 and 86400 seconds"));
  }
  if (s.max_message_mib < 1 || s.max_message_mib > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("--max-message-mib ", s.max_message_mib, " is not between 1 and 1024"));
  }
  for (const auto& [flag, count] :
       {std::pair("--max-sessions", s.max_sessions), std::pair("--max-streams", s.max_streams),
        std::pair("--registrations-per-second", s.registrations_per_second),
        std::pair("--max-streams-per-peer", s.max_streams_per_peer),
        std::pair("--max-calls-per-connection", s.max_calls_per_connection)}) {
    if (count >= 1) continue;
    return absl::InvalidArgumentError(absl::StrCat(flag, " ", count, " is less than 1"));
  }
  if (s.max_starting < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--max-starting ", s.max_starting, " is less than 0"));
  }
  if (s.starts_per_second != 0 && !(s.starts_per_second >= 0.1)) {
    return absl::InvalidArgumentError(absl::StrCat("--starts-per-second ", s.starts_per_second,
                                                   " is neither 0 nor at least 0.1"));
  }
  if (s.report_max_daemons < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--report-max-daemons ", s.report_max_daemons, " is less than 1"));
  }
  if (!s.listen_tls.empty() && s.tls_dir.empty()) {
    return absl::InvalidArgumentError(
        "--listen-tls needs --tls-dir, the directory of tls.crt, tls.key and ca.crt; `outpost cert "
        "issue manager/ID --host HOST` makes one");
  }
  for (const std::string& address : s.listen_tls) {
    if (auto status = CheckAddress("--listen-tls", address); !status.ok()) return status;
  }
  for (const std::string& address : s.plaintext_tcp) {
    if (auto status = CheckAddress("--listen-plaintext-tcp", address); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Invocation> ParseSettings(int argc, const char* const* argv,
                                         const std::string& version) {
  Invocation invocation;
  Settings& s = invocation.settings;
  std::string config_file;
  CLI::App app(
      "outpostd: a manager that hosts cluster-management modules as processes of their "
      "own, over gRPC",
      "outpostd");
  app.set_version_flag("-v,--version", version);
  app.footer("outpostd store --help: to check, back up and recover what a manager keeps");
  AddFlags(app, s, config_file);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    invocation.print = app.help();
    return invocation;
  } catch (const CLI::CallForVersion&) {
    invocation.print = version + "\n";
    return invocation;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = app.remaining();
    std::vector<std::string> known;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    if (!absl::StartsWith(extras[0], "-")) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", extras[0], "\" belongs to no flag (outpostd --help)"));
    }
    const std::string flag = extras[0].substr(0, extras[0].find('='));
    return absl::InvalidArgumentError(absl::StrCat("there is no flag \"", flag, "\"",
                                                   text::DidYouMean(text::Nearest(flag, known, 1)),
                                                   " (outpostd --help)"));
  } catch (const CLI::ParseError& e) {
    return absl::InvalidArgumentError(absl::StrCat(e.what(), " (outpostd --help)"));
  }
  if (!config_file.empty()) {
    if (auto status = ReadFile(config_file, app, s); !status.ok()) return status;
  }
  if (s.module_path.empty()) {
    const std::string beside = BesideProgram("share/outpost/modules");
    s.module_path = {beside.empty() ? "/usr/share/outpost/modules" : beside};
  }
  if (s.python_path.empty()) s.python_path = BesideProgram("lib/outpost/python");
  for (const char* place : {"libexec/outpost/outpost-launch", "server/module/outpost-launch"}) {
    if (s.launcher.empty()) s.launcher = BesideProgram(place);
  }
  if (s.launcher.empty()) s.launcher = "/usr/libexec/outpost/outpost-launch";
  if (auto status = Validate(s); !status.ok()) return status;
  for (const std::string& words : s.module_setting_words) {
    auto setting = module::ParseOperatorSetting(words);
    if (!setting.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--module-setting ", setting.status().message()));
    }
    s.module_settings.push_back(*std::move(setting));
  }
  MakeAbsolute(s.data_dir);
  MakeAbsolute(s.run_dir);
  if (s.audit_file.empty()) s.audit_file = s.data_dir + "/audit.log";
  MakeAbsolute(s.audit_file);
  MakeAbsolute(s.python_path);
  MakeAbsolute(s.launcher);
  if (s.tls_revoked.empty() && !s.tls_dir.empty()) s.tls_revoked = s.tls_dir + "/revoked";
  MakeAbsolute(s.tls_dir);
  MakeAbsolute(s.tls_revoked);
  if (absl::StrContains(s.python, '/')) MakeAbsolute(s.python);  // else a name for PATH
  for (std::string& directory : s.module_path) MakeAbsolute(directory);
  return invocation;
}

}  // namespace outpost
