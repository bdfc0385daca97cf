// Callers that misbehave, in a process of their own.
//
// **Thread safety.** A function for one thread.
#ifndef OUTPOST_TESTS_BENCH_PEER_FAULTS_H_
#define OUTPOST_TESTS_BENCH_PEER_FAULTS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace outpost::bench {

// What a process is to do as fast as it can, until it is killed.
struct Flood {
  // "registrations": to register, under one name, and under many. "names": under that of a module
  // that is attached. "tokens": with a token of another's. "sessions": to call, with a key of no
  // session. "rights": to call what it may not. "tls": to connect with a certificate and call.
  std::string what;
  std::string address = {};  // of the manager: a socket, or a host and a port for "tls"
  std::string times = {};    // the file of a count (see Times) of what has been done
  std::string tls = {};      // the directory of the certificate
  int expected = 0;          // the grpc::StatusCode that a call with it ends with
  unsigned user = 0;         // what it runs as
};

[[noreturn]] void Do(const Flood& flood);

// Flags of the manager: the users that floods run as.
std::vector<std::string> FlagsForUsers();

// Makes an authority in `directory`, and certificates: of a manager, of a user who may call, and
// those that are of no use.
void MakeCertificates(const std::string& directory);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_PEER_FAULTS_H_
