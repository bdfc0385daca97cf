#include "server/auth/certificate_peers.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/auth/certificate.h"
#include "server/auth/entities.h"
#include "server/auth/private_file.h"
#include "server/log/log.h"

namespace outpost::auth {

CertificatePeers::CertificatePeers(std::string trust_domain, std::string revoked_file)
    : trust_domain_(std::move(trust_domain)), revoked_file_(std::move(revoked_file)) {}

std::shared_ptr<const Peer> CertificatePeers::PeerOf(absl::string_view pem) {
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&mu_);
  if (now >= look_again_ || look_again_ > now + kLookAgain) LookAtFile(now);
  if (const auto it = known_.find(pem); it != known_.end()) return it->second;
  if (known_.size() >= kMaxKnown) known_.clear();
  std::string text(pem);
  std::shared_ptr<const Peer> peer = MakePeer(text);
  known_.emplace(std::move(text), peer);
  return peer;
}

bool CertificatePeers::IsRevoked(const Peer& peer) {
  if (peer.fingerprint.empty()) return false;
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&mu_);
  if (now >= look_again_ || look_again_ > now + kLookAgain) LookAtFile(now);
  return revoked_.contains(peer.fingerprint);
}

void CertificatePeers::LookAtFile(absl::Time now) {
  look_again_ = now + kLookAgain;
  struct stat info = {};
  if (stat(revoked_file_.c_str(), &info) != 0) return;
  if (info.st_mtim.tv_sec == seen_.st_mtim.tv_sec && info.st_ino == seen_.st_ino &&
      info.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec && info.st_size == seen_.st_size) {
    return;
  }
  const absl::StatusOr<std::string> text = ReadFile(revoked_file_);
  if (!text.ok()) {
    log::Get("auth").error("the list of revoked certificates: {}",
                           std::string(text.status().message()));
    return;
  }
  seen_ = info;
  revoked_.clear();
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    const absl::string_view word = absl::StripAsciiWhitespace(line);
    const absl::string_view first = word.substr(0, word.find_first_of(" \t#"));
    if (!first.empty()) revoked_.insert(absl::AsciiStrToLower(first));
  }
  known_.clear();
  log::Get("auth").info("{}: {} certificates are revoked", revoked_file_, revoked_.size());
}

std::shared_ptr<const Peer> CertificatePeers::MakePeer(const std::string& pem) const {
  auto peer = std::make_shared<Peer>();
  const absl::StatusOr<Certificate> certificate = ReadCertificate(pem);
  if (!certificate.ok()) {
    peer->problem = absl::UnauthenticatedError(certificate.status().message());
    return peer;
  }
  peer->expires = certificate->not_after;
  peer->fingerprint = certificate->fingerprint;
  peer->proof = absl::StrCat("certificate for ", certificate->uri);
  absl::StatusOr<std::string> name = NameInUri(certificate->uri, trust_domain_);
  if (!name.ok()) {
    peer->problem = absl::UnauthenticatedError(name.status().message());
    return peer;
  }
  if (revoked_.contains(certificate->fingerprint)) {
    peer->problem = absl::UnauthenticatedError(
        absl::StrCat("the certificate of ", *name, ", ", certificate->serial,
                     ", was revoked; ask an administrator for another (outpost cert issue)"));
    return peer;
  }
  // Root and the owner, at the socket, alone.
  if (*name == kAdmin || *name == kPlaintextTcp || !ValidateEntityName(*name).ok()) {
    peer->problem = absl::UnauthenticatedError(absl::StrCat(
        *name,
        " is nobody who can call by TLS; issue a certificate for another name, and give "
        "it caps: outpost auth add user/NAME mgr 'allow *'"));
    return peer;
  }
  absl::string_view module = *name;
  if (absl::ConsumePrefix(&module, "module/")) peer->module = std::string(module);
  peer->name = *std::move(name);
  return peer;
}

}  // namespace outpost::auth
