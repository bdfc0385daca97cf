// Settings of outpostd: from flags, and from a file of the same names.
#ifndef OUTPOST_SERVER_SETTINGS_H_
#define OUTPOST_SERVER_SETTINGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/module/process_policy.h"

namespace outpost {

struct Settings {
  std::string id = "x";
  std::string data_dir = "/var/lib/outpost";
  std::string run_dir = "/run/outpost";
  std::vector<std::string> plaintext_tcp;  // host:port
  std::vector<std::string> listen_tls;     // host:port
  std::string tls_dir;
  std::string tls_revoked;  // empty: <tls_dir>/revoked
  std::string trust_domain = "outpost";
  int socket_mode = 0666;
  bool relayed_tokens = false;                  // see ModuleHostService
  std::map<unsigned, std::string> local_users;  // user ids, and who they are here
  std::vector<std::string> module_path;
  std::vector<std::string> initial_modules;
  std::string python = "/usr/bin/python3";
  std::string python_path;
  std::string launcher;  // the program outpost-launch
  std::string source = "sim";
  int sim_osds = 3;
  uint64_t sim_seed = 1;
  double sim_speed = 1.0;  // simulated seconds a second
  std::string sim_script;  // a file; empty: none
  std::string ceph_conf = "/etc/ceph/ceph.conf";
  std::string ceph_name = "client.admin";
  std::string ceph_keyring;    // empty: as ceph.conf says
  bool take_reports = false;   // beside another source than "report"
  double report_interval = 5;  // seconds
  int report_min_priority = 0;
  double report_max_lag = 1;        // seconds
  double report_max_interval = 60;  // seconds
  double report_lease = 15;         // seconds
  double report_drop_after = 60;    // seconds
  int report_max_daemons = 20000;
  // What clients may take; see running-a-manager.md.
  int max_message_mib = 65;
  int max_sessions = 4096;
  int max_starting = 0;               // modules at once; 0: one less than there are processors
  double starts_per_second = 0;       // of all modules; 0: 2 for each processor
  int registrations_per_second = 10;  // of one module
  int max_streams = 16384;
  int max_streams_per_peer = 1024;
  int max_calls_per_connection = 10000;
  double slow_reader_timeout = 60;                 // seconds
  double first_message_timeout = 10;               // seconds
  double dead_peer_timeout = 40;                   // seconds
  std::string audit_file;                          // empty: <data_dir>/audit.log
  std::string log_file;                            // empty: stderr
  std::vector<std::string> log_levels = {"info"};  // level, or component=level
  double ready_timeout = 30;                       // seconds
  double shutdown_grace = 5;                       // seconds
  double heartbeat_interval = 5;                   // seconds
  std::vector<std::string> module_setting_words;   // as the flag has them
  // How modules' processes are kept, weakest first: the file's tables [modules.NAME], the flags.
  std::vector<module::OperatorSetting> module_settings;
  std::map<std::string, std::string>
      options;  // "mgr/<module>/<option>": the file's table [options]
};

// What a command line asks for.
struct Invocation {
  Settings settings;
  std::string print;  // not empty: print this and end (--help, --version)
};

// Reads the command line and, where it names one, the file: flags win. Errors
// name the flag or key, the file and line, and the nearest known name.
absl::StatusOr<Invocation> ParseSettings(int argc, const char* const* argv,
                                         const std::string& version);

}  // namespace outpost

#endif  // OUTPOST_SERVER_SETTINGS_H_
