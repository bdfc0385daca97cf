// What a real cluster once said (testdata/recorded.json, made by
// tests/integration/ceph/record_structures.py), for tests without one.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_RECORDED_CLUSTER_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_RECORDED_CLUSTER_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

class RecordedCluster {
 public:
  // Fails the test if the recording can't be read.
  RecordedCluster();

  // The recorded answer to a command, or what a test has put in its place;
  // -EINVAL where there is none.
  command::Result Run(absl::string_view command_json);

  // The recorded answer of `prefix`, as text.
  std::string Answer(absl::string_view prefix) const;
  // Answers `prefix` so from now on.
  void SetAnswer(absl::string_view prefix, command::Result result);

  // What get(structure) gave inside ceph-mgr at that moment.
  const nlohmann::json& Get(const std::string& structure) const;

  // The prefixes that have been run since the last call.
  std::vector<std::string> TakeLog();

 private:
  nlohmann::json recorded_;
  std::map<std::string, command::Result> replaced_;  // by prefix
  std::vector<std::string> log_;
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_RECORDED_CLUSTER_H_
