#include "server/command/address_syntax.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/command/cli_literals.h"

namespace outpost::command {
namespace {

bool IsAddress(int family, absl::string_view text) {
  in6_addr out;
  return !absl::StrContains(text, absl::string_view("\0", 1)) &&
         inet_pton(family, std::string(text).c_str(), &out) == 1;
}

bool IsPort(absl::string_view text) {
  const auto port = ParseInteger(text, 10);
  return port && port->fits && port->value >= 0 && port->value <= 65535;
}

std::string Ipv4Fault(absl::string_view address) {
  const size_t colon = address.find(':');
  const absl::string_view host = address.substr(0, colon);
  if (colon != absl::string_view::npos && !IsPort(address.substr(colon + 1))) {
    return absl::StrCat(address.substr(colon + 1), ": invalid IPv4 port");
  }
  return IsAddress(AF_INET, host) ? "" : absl::StrCat(host, ": invalid IPv4 address");
}

std::string Ipv6Fault(absl::string_view address) {
  absl::string_view host = address;
  if (absl::ConsumePrefix(&host, "[")) {
    const size_t end = host.find(']');
    if (end == absl::string_view::npos) return absl::StrCat(address, " missing terminating ]");
    absl::string_view rest = host.substr(end + 1);
    host = host.substr(0, end);
    if (!rest.empty() && (!absl::ConsumePrefix(&rest, ":") || !IsPort(rest))) {
      return absl::StrCat(address, ": bad port number");
    }
  }
  return IsAddress(AF_INET6, host) ? "" : absl::StrCat(address, " not valid IPv6 address");
}

}  // namespace

absl::string_view WithoutProtocol(absl::string_view address) {
  for (const absl::string_view protocol : {"v1:", "v2:", "any:"}) {
    if (absl::ConsumePrefix(&address, protocol)) break;
  }
  return address;
}

std::string IpAddressFault(absl::string_view address) {
  const absl::string_view bare = WithoutProtocol(address);
  const auto colons = std::count(bare.begin(), bare.end(), ':');
  const bool v4 = !absl::StartsWith(bare, "[") && colons < 2 &&
                  (absl::StrContains(bare, ".") || absl::StartsWith(address, "v1:") ||
                   absl::StartsWith(address, "any:"));
  return v4 ? Ipv4Fault(bare) : Ipv6Fault(bare);
}

std::string EntityAddressFault(absl::string_view address) {
  const std::vector<absl::string_view> halves = absl::StrSplit(address, '/');
  if (halves.size() > 2) return absl::StrCat(address, ": more than one /");
  if (halves.size() == 1) return IpAddressFault(address);
  absl::string_view nonce = halves[1];
  std::string host(halves[0]);
  if (absl::ConsumeSuffix(&nonce, "]")) host += "]";  // [::1/5]
  if (auto fault = IpAddressFault(host); !fault.empty()) return fault;
  if (nonce.empty()) return "";
  const auto number = ParseInteger(nonce, 10);
  if (!number || number->negative) {
    return absl::StrCat(address, ": invalid entity, nonce ", nonce, " not integer > 0");
  }
  return "";
}

}  // namespace outpost::command
