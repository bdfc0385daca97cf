// The address and the name of this host.
#ifndef OUTPOST_SERVER_HOST_ADDRESS_H_
#define OUTPOST_SERVER_HOST_ADDRESS_H_

#include <string>

namespace outpost {

// An address of this host as others may reach it: of the first network interface
// that is up and not the loopback, IPv4 before IPv6; link-local ones are left out.
// "127.0.0.1" where there is none.
std::string HostAddress();

// Its name, as `uname -n` prints it.
std::string HostName();

}  // namespace outpost

#endif  // OUTPOST_SERVER_HOST_ADDRESS_H_
