#include "server/cluster/cluster_health_metrics.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"

namespace outpost::cluster {
namespace {

using nlohmann::json;

// The daemons that a text names: "[osd.0,osd.1]", "mon.a has …".
std::vector<std::string> Named(const std::string& text) {
  static const std::regex* const name = new std::regex(R"(\b(osd|mon)\.[A-Za-z0-9_-]+)");
  std::vector<std::string> names;
  for (auto found = std::sregex_iterator(text.begin(), text.end(), *name);
       found != std::sregex_iterator(); ++found) {
    names.push_back(found->str());
  }
  return names;
}

// The first two numbers of a text, which stand before any name: "5 slow ops, oldest one
// blocked for 30 sec, …".
std::pair<uint64_t, uint64_t> Numbers(const std::string& text) {
  static const std::regex* const number = new std::regex(R"(^(\d+)(?:\D*for (\d+) sec)?)");
  std::smatch found;
  std::pair<uint64_t, uint64_t> numbers;
  if (!std::regex_search(text, found, *number)) return numbers;
  (void)absl::SimpleAtoi(found.str(1), &numbers.first);
  (void)absl::SimpleAtoi(found.str(2), &numbers.second);
  return numbers;
}

// The text at a path of members; empty where there is none.
std::string Text(const json& object, std::initializer_list<const char*> path) {
  const json* at = &object;
  for (const char* key : path) {
    if (!at->is_object()) return "";
    const auto member = at->find(key);
    if (member == at->end()) return "";
    at = &*member;
  }
  return at->is_string() ? at->get<std::string>() : "";
}

json Parse(const std::string& text) { return json::parse(text, nullptr, false); }

}  // namespace

void ClusterHealthMetrics::ReadOsds(const Snapshot& osd_map) {
  if (osd_map_version_ == osd_map.version) return;
  osd_map_version_ = osd_map.version;
  up_.clear();
  simdjson::dom::parser parser;
  simdjson::dom::array osds;
  simdjson::dom::element root;
  if (parser.parse(osd_map.json.data(), osd_map.json.size()).get(root) != simdjson::SUCCESS ||
      root["osds"].get(osds) != simdjson::SUCCESS) {
    return;
  }
  for (const simdjson::dom::element osd : osds) {
    int64_t id = 0;
    int64_t up = 0;
    if (osd["osd"].get(id) == simdjson::SUCCESS && osd["up"].get(up) == simdjson::SUCCESS &&
        up != 0) {
      up_.push_back(absl::StrCat("osd.", id));
    }
  }
}

void ClusterHealthMetrics::ReadChecks(const Snapshot& health) {
  if (health_version_ == health.version) return;
  health_version_ = health.version;
  slow_ops_.clear();
  pending_pgs_.clear();
  const json report = Parse(Text(Parse(std::string(health.json)), {"json"}));
  const auto share = [](const std::string& summary, const std::string& names, ByDaemon& metrics) {
    const auto [n1, n2] = Numbers(summary);
    const std::vector<std::string> daemons = Named(names);
    for (const std::string& daemon : daemons) {
      metrics[daemon] = {.n1 = daemons.size() == 1 ? n1 : 1, .n2 = n2};
    }
  };
  const std::string slow = Text(report, {"checks", "SLOW_OPS", "summary", "message"});
  share(slow, slow, slow_ops_);
  const std::string pending =
      Text(report, {"checks", "PENDING_CREATING_PGS", "summary", "message"});
  std::string detail;
  if (!pending.empty() && report["checks"]["PENDING_CREATING_PGS"].contains("detail")) {
    for (const json& line : report["checks"]["PENDING_CREATING_PGS"]["detail"]) {
      absl::StrAppend(&detail, Text(line, {"message"}), "\n");
    }
  }
  share(pending, detail, pending_pgs_);
}

std::vector<v1::DaemonHealthMetrics> ClusterHealthMetrics::Get(const v1::DaemonName& daemon) {
  std::vector<v1::DaemonHealthMetrics> all;
  const auto osd_map = state_->Get("osd_map");
  const auto health = state_->Get("health");
  if (!osd_map.ok() || !health.ok()) return all;
  absl::MutexLock lock(&mu_);
  ReadOsds(**osd_map);
  ReadChecks(**health);
  std::set<std::string> others;
  for (const ByDaemon* metrics : {&slow_ops_, &pending_pgs_}) {
    for (const auto& [name, metric] : *metrics) others.insert(name);
  }
  for (const std::string& name : up_) others.erase(name);
  const auto add = [&](const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const size_t dot = name.find('.');
    const std::string type = name.substr(0, dot);
    const std::string id = name.substr(dot + 1);
    if (!daemon.type().empty() && daemon.type() != type) return;
    if (!daemon.id().empty() && daemon.id() != id) return;
    v1::DaemonHealthMetrics& of_daemon = all.emplace_back();
    of_daemon.mutable_daemon()->set_type(type);
    of_daemon.mutable_daemon()->set_id(id);
    *of_daemon.mutable_time() =
        event::ToProto(event::WallTime((*health)->changed, event::Moment::Now()));
    for (const auto& [metric_type, metrics] :
         {std::pair("SLOW_OPS", &slow_ops_), std::pair("PENDING_CREATING_PGS", &pending_pgs_)}) {
      v1::HealthMetric& metric = *of_daemon.add_metrics();
      metric.set_type(metric_type);
      const auto found = metrics->find(name);
      if (found == metrics->end()) continue;
      metric.set_n1(found->second.n1);
      metric.set_n2(found->second.n2);
    }
  };
  for (const std::string& name : up_) add(name);
  for (const std::string& name : others) add(name);
  return all;
}

}  // namespace outpost::cluster
