#include "server/auth/certificate_peers.h"

#include <string.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/auth/certificate.h"
#include "server/auth/entities.h"
#include "server/auth/revoked_list.h"
#include "server/log/log.h"

namespace outpost::auth {
namespace {

int64_t Now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

absl::Duration Since(const std::atomic<int64_t>& then) {
  const int64_t nanoseconds = then.load(std::memory_order_relaxed);
  return nanoseconds == 0 ? absl::InfiniteDuration() : absl::Nanoseconds(Now() - nanoseconds);
}

bool IsSame(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Whether nothing was written into the file between.
bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         IsSame(a.st_mtim, b.st_mtim) && IsSame(a.st_ctim, b.st_ctim);
}

// Whose a certificate is, revoked or not; its serial number in `*serial`.
Peer PeerIn(const std::string& pem, absl::string_view trust_domain, std::string* serial) {
  Peer peer;
  absl::StatusOr<Certificate> certificate = ReadCertificate(pem);
  if (!certificate.ok()) {
    peer.problem = absl::UnauthenticatedError(certificate.status().message());
    return peer;
  }
  peer.expires = certificate->not_after;
  peer.fingerprint = std::move(certificate->fingerprint);
  peer.proof = absl::StrCat("certificate for ", certificate->uri);
  *serial = std::move(certificate->serial);
  absl::StatusOr<std::string> name = NameInUri(certificate->uri, trust_domain);
  if (!name.ok()) {
    peer.problem = absl::UnauthenticatedError(name.status().message());
    return peer;
  }
  peer.name = *std::move(name);
  // Root and the owner, at the socket, alone.
  if (peer.name == kAdmin || peer.name == kPlaintextTcp || !ValidateEntityName(peer.name).ok()) {
    peer.problem = absl::UnauthenticatedError(absl::StrCat(
        peer.name,
        " is nobody who can call by TLS; issue a certificate for another name, and give "
        "it caps: outpost auth add user/NAME mgr 'allow *'"));
    peer.name = "";
    return peer;
  }
  absl::string_view module = peer.name;
  if (absl::ConsumePrefix(&module, "module/")) peer.module = std::string(module);
  return peer;
}

}  // namespace

CertificatePeers::CertificatePeers(std::string trust_domain, std::string revoked_file)
    : trust_domain_(std::move(trust_domain)), revoked_file_(std::move(revoked_file)) {}

absl::Status CertificatePeers::ReadList() {
  absl::MutexLock lock(&file_mu_);
  const int64_t begin = Now();
  absl::Status status = Look();
  looked_.store(begin, std::memory_order_relaxed);
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("the list of revoked certificates (--tls-revoked) "
                                   "can't be read, and nobody is let in without: ",
                                   status.message()));
}

std::shared_ptr<const Peer> CertificatePeers::PeerOf(absl::string_view pem) {
  LookIfDue();
  {
    absl::ReaderMutexLock lock(&mu_);
    if (const auto it = known_.find(pem); it != known_.end()) return it->second;
  }
  std::string text(pem);
  std::string serial;
  auto peer = std::make_shared<Peer>(PeerIn(text, trust_domain_, &serial));
  absl::MutexLock lock(&mu_);
  if (!peer->name.empty() && revoked_.contains(peer->fingerprint)) {
    peer->problem = absl::UnauthenticatedError(
        absl::StrCat("the certificate of ", peer->name, ", ", serial,
                     ", was revoked; ask an administrator for another (outpost cert issue)"));
  }
  if (known_.size() >= kMaxKnown) known_.clear();
  return known_.emplace(std::move(text), std::move(peer)).first->second;
}

bool CertificatePeers::IsRevoked(const Peer& peer) {
  if (peer.fingerprint.empty()) return false;
  LookIfDue();
  absl::ReaderMutexLock lock(&mu_);
  return revoked_.contains(peer.fingerprint);
}

void CertificatePeers::LookIfDue() {
  const absl::Duration since = Since(looked_);
  if (since < kLookAgain) return;
  if (since >= kOldest) {
    absl::MutexLock lock(&file_mu_);
    LookAgain();
  } else if (file_mu_.TryLock()) {
    LookAgain();
    file_mu_.Unlock();
  }
}

void CertificatePeers::LookAgain() {
  if (Since(looked_) < kLookAgain) return;  // another has looked meanwhile
  const int64_t begin = Now();
  const absl::Status status = Look();
  looked_.store(begin, std::memory_order_release);
  std::string wrong(status.message());
  if (wrong == told_) return;
  if (status.ok()) {
    log::Get("auth").info("the list of revoked certificates is read again");
  } else {
    log::Get("auth").error(
        "the list of revoked certificates: {}; who was revoked before stays so, who was revoked "
        "since may not be",
        wrong);
  }
  told_ = std::move(wrong);
}

absl::Status CertificatePeers::Look() {
  struct stat info = {};
  if (stat(revoked_file_.c_str(), &info) != 0) {
    if (errno == ENOENT && !was_read_) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(revoked_file_, ": ", strerrordesc_np(errno)));
  }
  if (was_read_ && IsSame(info, seen_)) return problem_of_seen_;
  absl::StatusOr<RevokedList> list = ReadRevokedList(revoked_file_);
  if (!list.ok()) return list.status();
  was_read_ = true;
  seen_ = info;
  problem_of_seen_ = list->problem;
  absl::MutexLock lock(&mu_);
  // A line that is none may be half of one.
  if (!list->problem.ok()) list->fingerprints.insert(revoked_.begin(), revoked_.end());
  revoked_ = std::move(list->fingerprints);
  known_.clear();
  log::Get("auth").info("{}: {} certificates are revoked", revoked_file_, revoked_.size());
  return problem_of_seen_;
}

}  // namespace outpost::auth
