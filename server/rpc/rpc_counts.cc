#include "server/rpc/rpc_counts.h"

#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "nlohmann/json.hpp"

namespace outpost::rpc {
namespace {

using nlohmann::json;

// channelz has 64-bit numbers as texts, and leaves out those that are 0.
uint64_t Count(const json& data, const char* name) {
  const auto count = data.find(name);
  uint64_t value = 0;
  if (count == data.end() || !count->is_string()) return 0;
  return absl::SimpleAtoi(count->get<std::string>(), &value) ? value : 0;
}

}  // namespace

RpcCounts CountRpcs() {
  const std::unique_ptr<char, void (*)(void*)> text(grpc_channelz_get_servers(0), gpr_free);
  RpcCounts counts;
  if (text == nullptr) return counts;
  const json answer = json::parse(text.get(), nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return counts;
  for (const json& server : answer.value("server", json::array())) {
    const json data = server.value("data", json::object());
    counts.started += Count(data, "callsStarted");
    counts.succeeded += Count(data, "callsSucceeded");
    counts.failed += Count(data, "callsFailed");
  }
  return counts;
}

}  // namespace outpost::rpc
