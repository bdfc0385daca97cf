#include "server/cluster/ceph/recorded_cluster.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace outpost::cluster::ceph {

RecordedCluster::RecordedCluster() {
  std::ifstream file("server/cluster/ceph/testdata/recorded.json");
  recorded_ = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(recorded_.is_object()) << "run from the workspace's root";
}

command::Result RecordedCluster::Run(absl::string_view command_json) {
  const nlohmann::json command = nlohmann::json::parse(command_json.begin(), command_json.end());
  const std::string prefix = command.at("prefix");
  log_.push_back(prefix);
  if (const auto found = replaced_.find(prefix); found != replaced_.end()) return found->second;
  for (const auto& [recorded, answer] : recorded_.at("commands").items()) {
    if (nlohmann::json::parse(recorded) == command)
      return {0, answer.get<std::string>() + "\n", ""};
  }
  return {-EINVAL, "", "nothing is recorded for " + std::string(command_json)};
}

std::string RecordedCluster::Answer(absl::string_view prefix) const {
  for (const auto& [recorded, answer] : recorded_.at("commands").items()) {
    if (nlohmann::json::parse(recorded).at("prefix") == std::string(prefix)) return answer;
  }
  ADD_FAILURE() << "nothing is recorded for " << prefix;
  return "";
}

void RecordedCluster::SetAnswer(absl::string_view prefix, command::Result result) {
  replaced_.insert_or_assign(std::string(prefix), std::move(result));
}

const nlohmann::json& RecordedCluster::Get(const std::string& structure) const {
  return recorded_.at("get").at(structure);
}

std::vector<std::string> RecordedCluster::TakeLog() { return std::exchange(log_, {}); }

}  // namespace outpost::cluster::ceph
