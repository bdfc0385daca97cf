// RadosClient is a connection to a Ceph cluster: librados's C API with settings,
// timeouts and buffers taken care of.
//
// **Thread safety.** After Connect has returned OK, commands may be run from any
// number of threads. Every call except the accessors blocks; the destructor too
// (briefly), and it must not run while a command does.
//
// **Invariants.**
// 1. No command takes longer than RadosSettings::command_timeout (then: -ETIMEDOUT;
//    whether the cluster carried it out is unknown).
// 2. librados reconnects by itself; a client that has connected once stays usable
//    through an outage.
// 3. rados_mgr_command is not used: in librados 16.2 a reply that comes after its
//    timeout is written to freed memory, and without a timeout it may never return.
//    What the mgr serves is asked of the monitors, which pass it on.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_RADOS_CLIENT_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_RADOS_CLIENT_H_

#include <rados/librados.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

struct RadosSettings {
  std::string conf_file;  // ceph.conf
  std::string keyring;    // empty: what the conf file says
  std::string name = "client.admin";
  std::string cluster = "ceph";
  // Rounded up to whole seconds, at least one.
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration command_timeout = absl::Seconds(5);
};

class RadosClient {
 public:
  // Reads the settings; no network. NOT_FOUND: the conf file or the keyring is
  // missing. INVALID_ARGUMENT: the conf file or a setting is malformed.
  static absl::StatusOr<std::unique_ptr<RadosClient>> Create(const RadosSettings& settings);

  RadosClient(const RadosClient&) = delete;
  RadosClient& operator=(const RadosClient&) = delete;
  ~RadosClient();

  // Connects to a monitor. UNAVAILABLE says, as a sentence, whom it could not
  // reach and why. After an error the client is of no use; create another.
  absl::Status Connect();

  // Commands for: the monitors, whichever answers; the monitor `mon`; an OSD; the
  // OSD that leads the placement group `pg` ("1.0"). librados 16.2 loses about 14 KB
  // with each TellMon (measured), so nothing should call that in a loop.
  command::Result MonCommand(absl::string_view command_json, absl::string_view inbuf);
  command::Result TellMon(absl::string_view mon, absl::string_view command_json,
                          absl::string_view inbuf);
  command::Result OsdCommand(int osd, absl::string_view command_json, absl::string_view inbuf);
  command::Result PgCommand(absl::string_view pg, absl::string_view command_json,
                            absl::string_view inbuf);

  // What rados_monitor_log2 tells of a line of the cluster's log.
  using LogLine =
      std::function<void(const char* channel, const char* rank, const char* name, absl::Time time,
                         uint64_t sequence, const char* level, const char* message)>;
  // Calls `line` with each line of the cluster's log from level "info" on, from a thread of
  // librados; it must not block. librados goes on with it through outages. After Connect, once.
  // UNAVAILABLE: why that can't be.
  absl::Status FollowLog(LogLine line);

  // The addresses of the monitors, as configured: for messages.
  const std::string& monitors() const { return monitors_; }
  // The addresses from which it reaches the cluster, as Ceph writes them; empty before Connect.
  const std::string& own_addresses() const { return own_addresses_; }
  // The cluster's id; empty before Connect.
  const std::string& fsid() const { return fsid_; }

 private:
  // What each command function of librados takes at its end.
  struct Buffers;

  RadosClient(rados_t handle, RadosSettings settings);

  absl::Status ReadSettings();
  absl::Status CheckKeyring() const;
  absl::Status Set(const char* option, const std::string& value);
  std::string Option(const char* option) const;
  command::Result Run(absl::string_view who, absl::string_view command_json,
                      absl::FunctionRef<int(const char** command, Buffers* buffers)> call) const;

  const rados_t handle_;
  const RadosSettings settings_;
  bool connected_ = false;
  std::string monitors_;
  std::string fsid_;
  std::string own_addresses_;
  LogLine log_line_;
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_RADOS_CLIENT_H_
