#include "server/host_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/utsname.h>

namespace outpost {

std::string HostAddress() {
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return "127.0.0.1";
  std::string found;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* i = interfaces; i != nullptr && found.empty(); i = i->ifa_next) {
      if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != family) continue;
      if ((i->ifa_flags & IFF_UP) == 0 || (i->ifa_flags & IFF_LOOPBACK) != 0) continue;
      char text[INET6_ADDRSTRLEN];
      const void* address = nullptr;
      if (family == AF_INET) {
        address = &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr;
      } else {
        const auto* v6 = &reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(v6)) continue;
        address = v6;
      }
      if (inet_ntop(family, address, text, sizeof text) != nullptr) found = text;
    }
  }
  freeifaddrs(interfaces);
  return found.empty() ? "127.0.0.1" : found;
}

std::string HostName() {
  utsname names;
  return uname(&names) == 0 ? names.nodename : "";
}

}  // namespace outpost
