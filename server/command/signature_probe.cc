// Reads a JSON line {"signature": text, "args": [words]} each, and writes what
// Signature makes of it: {"ok": true, "values": {...}} or {"ok": false, "error": text}.
#include <iostream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "server/command/signature.h"

// NOLINTNEXTLINE(bugprone-exception-escape): a malformed request may end the probe.
int main() {
  using nlohmann::json;
  for (std::string line; std::getline(std::cin, line);) {
    const json request = json::parse(line);
    json answer;
    const auto signature =
        outpost::command::Signature::Parse(request["signature"].get<std::string>());
    if (!signature.ok()) {
      answer = {{"ok", false}, {"fault", std::string(signature.status().message())}};
    } else {
      const auto values = signature->ParseWords(request["args"].get<std::vector<std::string>>());
      answer = values.ok() ? json{{"ok", true}, {"values", *values}}
                           : json{{"ok", false}, {"error", std::string(values.status().message())}};
      answer["usage"] = signature->Usage();
    }
    std::cout << answer.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  }
  return 0;
}
