#include "server/cluster/ceph/rados_client.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace outpost::cluster::ceph {
namespace {

std::string ErrorText(int retval) { return std::strerror(retval < 0 ? -retval : retval); }

bool Readable(const std::string& file) { return access(file.c_str(), R_OK) == 0; }

int64_t WholeSeconds(absl::Duration duration) {
  return std::max<int64_t>(1, absl::ToInt64Seconds(absl::Ceil(duration, absl::Seconds(1))));
}

}  // namespace

struct RadosClient::Buffers {
  char* out = nullptr;
  size_t out_size = 0;
  char* err = nullptr;
  size_t err_size = 0;

  Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers() {
    rados_buffer_free(out);
    rados_buffer_free(err);
  }
};

RadosClient::RadosClient(rados_t handle, RadosSettings settings)
    : handle_(handle), settings_(std::move(settings)) {}

RadosClient::~RadosClient() { rados_shutdown(handle_); }

absl::StatusOr<std::unique_ptr<RadosClient>> RadosClient::Create(const RadosSettings& settings) {
  if (!Readable(settings.conf_file)) {
    const std::string why = absl::StrCat(
        "ceph conf file \"", settings.conf_file, "\" can't be read (", ErrorText(errno),
        "): name the ceph.conf of the cluster, readable by the manager");
    return absl::NotFoundError(why);
  }
  rados_t handle = nullptr;
  const int r = rados_create2(&handle, settings.cluster.c_str(), settings.name.c_str(), 0);
  if (r < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("ceph client \"", settings.name, "\" of cluster \"", settings.cluster,
                     "\" can't be made (", ErrorText(r), "): a name is like client.admin"));
  }
  auto client = std::unique_ptr<RadosClient>(new RadosClient(handle, settings));
  if (absl::Status status = client->ReadSettings(); !status.ok()) return status;
  if (absl::Status status = client->CheckKeyring(); !status.ok()) return status;
  return client;
}

absl::Status RadosClient::ReadSettings() {
  const int r = rados_conf_read_file(handle_, settings_.conf_file.c_str());
  if (r < 0) {
    return absl::InvalidArgumentError(absl::StrCat("ceph conf file \"", settings_.conf_file,
                                                   "\" can't be parsed (", ErrorText(r),
                                                   "): check it with ceph-conf --conf"));
  }
  const std::string command_seconds = absl::StrCat(WholeSeconds(settings_.command_timeout));
  const std::pair<const char*, std::string> options[] = {
      {"client_mount_timeout", absl::StrCat(WholeSeconds(settings_.connect_timeout))},
      {"rados_mon_op_timeout", command_seconds},
      {"rados_osd_op_timeout", command_seconds},
      // Otherwise an outage of minutes is noticed to be over half a minute late.
      {"mon_client_hunt_interval_max_multiple", "1"},
      // Otherwise it stays with a monitor that hangs for half a minute, while others answer.
      {"mon_client_ping_interval", "2"},
      {"mon_client_ping_timeout", "4"},
      // Errors are returned, and the manager logs them.
      {"log_to_stderr", "false"},
      {"err_to_stderr", "false"},
  };
  for (const auto& [option, value] : options) {
    if (absl::Status status = Set(option, value); !status.ok()) return status;
  }
  if (!settings_.keyring.empty()) {
    if (absl::Status status = Set("keyring", settings_.keyring); !status.ok()) return status;
  }
  monitors_ = Option("mon_host");
  return absl::OkStatus();
}

absl::Status RadosClient::CheckKeyring() const {
  if (!settings_.keyring.empty()) {
    if (Readable(settings_.keyring)) return absl::OkStatus();
    const std::string why = absl::StrCat(
        "ceph keyring \"", settings_.keyring, "\" can't be read (", ErrorText(errno),
        "): name a keyring that holds the key of ", settings_.name, ", readable by the manager");
    return absl::NotFoundError(why);
  }
  if (!absl::StrContains(Option("auth_client_required"), "cephx") || !Option("key").empty() ||
      !Option("keyfile").empty()) {
    return absl::OkStatus();
  }
  const std::string keyrings = Option("keyring");
  for (const absl::string_view keyring :
       absl::StrSplit(keyrings, absl::ByAnyChar(",; "), absl::SkipEmpty())) {
    if (Readable(std::string(keyring))) return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat(
      "ceph keyring for ", settings_.name, ": none of ", keyrings,
      " can be read: name a keyring that holds its key (ceph auth get ", settings_.name, ")"));
}

absl::Status RadosClient::Set(const char* option, const std::string& value) {
  const int r = rados_conf_set(handle_, option, value.c_str());
  if (r == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("ceph option ", option, ": librados refuses \"", value, "\": ", ErrorText(r)));
}

std::string RadosClient::Option(const char* option) const {
  std::vector<char> value(4096);
  while (rados_conf_get(handle_, option, value.data(), value.size()) == -ENAMETOOLONG) {
    value.resize(value.size() * 2);
  }
  return value.data();
}

absl::Status RadosClient::Connect() {
  const int r = rados_connect(handle_);
  if (r == 0) {
    connected_ = true;
    std::array<char, 64> fsid = {};
    if (rados_cluster_fsid(handle_, fsid.data(), fsid.size()) >= 0) fsid_ = fsid.data();
    char* addresses = nullptr;
    if (rados_getaddrs(handle_, &addresses) == 0 && addresses != nullptr) {
      own_addresses_ = addresses;
      std::free(addresses);  // librados takes it from malloc
    }
    return absl::OkStatus();
  }
  const std::string monitors = absl::StrCat("the monitors at ", monitors_);
  if (r == -ETIMEDOUT) {
    return absl::UnavailableError(absl::StrCat(monitors, " can't be reached (no answer within ",
                                               WholeSeconds(settings_.connect_timeout), " s)"));
  }
  if (r == -EACCES || r == -EPERM) {
    return absl::UnavailableError(absl::StrCat(monitors, " refuse ", settings_.name, " (",
                                               ErrorText(r), "): check that ", Option("keyring"),
                                               " holds its present key, and that it has at least "
                                               "the capability mon 'allow r'"));
  }
  return absl::UnavailableError(absl::StrCat(monitors, " can't be reached as ", settings_.name,
                                             " (", ErrorText(r), "): check ", settings_.conf_file,
                                             " and ", Option("keyring")));
}

absl::Status RadosClient::FollowLog(LogLine line) {
  log_line_ = std::move(line);
  const rados_log_callback2_t callback = [](void* client, const char*, const char* channel,
                                            const char* rank, const char* name, uint64_t seconds,
                                            uint64_t nanoseconds, uint64_t sequence,
                                            const char* level, const char* message) {
    const absl::Time time = absl::FromUnixSeconds(static_cast<int64_t>(seconds)) +
                            absl::Nanoseconds(static_cast<int64_t>(nanoseconds));
    static_cast<RadosClient*>(client)->log_line_(channel, rank, name, time, sequence, level,
                                                 message);
  };
  const int r = rados_monitor_log2(handle_, "info", callback, this);
  if (r == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the cluster's log can't be followed: ", ErrorText(r)));
}

command::Result RadosClient::Run(
    absl::string_view who, absl::string_view command_json,
    absl::FunctionRef<int(const char** command, Buffers* buffers)> call) const {
  if (!connected_) return {-ENOTCONN, "", "this client has not connected"};
  const std::string text(command_json);
  const char* command = text.c_str();
  Buffers buffers;
  command::Result result;
  result.retval = call(&command, &buffers);
  result.out.assign(buffers.out == nullptr ? "" : buffers.out, buffers.out_size);
  result.err.assign(buffers.err == nullptr ? "" : buffers.err, buffers.err_size);
  if (result.retval == -ETIMEDOUT) {
    result.err = absl::StrCat("no answer from ", who, " within ",
                              WholeSeconds(settings_.command_timeout), " s");
  }
  return result;
}

command::Result RadosClient::MonCommand(absl::string_view command_json, absl::string_view inbuf) {
  return Run("the monitors", command_json, [&](const char** command, Buffers* b) {
    return rados_mon_command(handle_, command, 1, inbuf.data(), inbuf.size(), &b->out, &b->out_size,
                             &b->err, &b->err_size);
  });
}

command::Result RadosClient::TellMon(absl::string_view mon, absl::string_view command_json,
                                     absl::string_view inbuf) {
  const std::string name(mon);
  return Run(absl::StrCat("mon.", mon), command_json, [&](const char** command, Buffers* b) {
    return rados_mon_command_target(handle_, name.c_str(), command, 1, inbuf.data(), inbuf.size(),
                                    &b->out, &b->out_size, &b->err, &b->err_size);
  });
}

command::Result RadosClient::OsdCommand(int osd, absl::string_view command_json,
                                        absl::string_view inbuf) {
  return Run(absl::StrCat("osd.", osd), command_json, [&](const char** command, Buffers* b) {
    return rados_osd_command(handle_, osd, command, 1, inbuf.data(), inbuf.size(), &b->out,
                             &b->out_size, &b->err, &b->err_size);
  });
}

command::Result RadosClient::PgCommand(absl::string_view pg, absl::string_view command_json,
                                       absl::string_view inbuf) {
  const std::string name(pg);
  return Run(absl::StrCat("pg ", pg), command_json, [&](const char** command, Buffers* b) {
    return rados_pg_command(handle_, name.c_str(), command, 1, inbuf.data(), inbuf.size(), &b->out,
                            &b->out_size, &b->err, &b->err_size);
  });
}

}  // namespace outpost::cluster::ceph
