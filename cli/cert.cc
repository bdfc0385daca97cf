#include "cli/cert.h"

#include <errno.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "outpost/internal/status_errno.h"
#include "outpost/table.h"
#include "server/auth/certificate_authority.h"

namespace outpost::cli {
namespace {

constexpr char kUsage[] =
    "cert init [--ca DIR] [--trust-domain NAME] [--valid 90d]\n"
    "cert issue user/NAME|module/NAME|manager/ID [--host HOST]... [--out DIR] [--valid 90d]\n"
    "cert renew DIR [--valid 90d]\n"
    "cert ls\n"
    "cert revoke user/NAME|module/NAME|manager/ID|SERIAL\n"
    "\n"
    "The authority is in --ca DIR, $OUTPOST_CA_DIR or ~/.config/outpost/ca.";
constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kAuthorityTime = absl::Hours(24 * 3650);
constexpr absl::Duration kTime = absl::Hours(24 * 90);

std::string DefaultAuthority() {
  if (const char* directory = std::getenv("OUTPOST_CA_DIR")) return directory;
  const char* home = std::getenv("HOME");
  return absl::StrCat(home == nullptr ? "." : home, "/.config/outpost/ca");
}

// What stands after "cert init".
struct Flags {
  std::string authority = DefaultAuthority();
  std::string trust_domain = "outpost";
  std::string output;
  std::vector<std::string> hosts;
  absl::Duration valid = absl::ZeroDuration();  // zero: the usual
  std::vector<std::string> names;
};

// "90d", "12h"; false: it is none.
bool ParseTime(const std::string& text, absl::Duration* time) {
  double days = 0;
  if (text.back() == 'd' && absl::SimpleAtod(text.substr(0, text.size() - 1), &days)) {
    *time = kDay * days;
  } else if (!absl::ParseDuration(text, time)) {
    return false;
  }
  return *time > absl::ZeroDuration();
}

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& words) {
  Flags flags;
  for (size_t i = 2; i < words.size(); ++i) {
    std::string flag = words[i];
    if (!absl::StartsWith(flag, "--")) {
      flags.names.push_back(std::move(flag));
      continue;
    }
    std::string value;
    if (const size_t equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    }
    if (value.empty()) return absl::InvalidArgumentError(absl::StrCat(flag, " has no value"));
    if (flag == "--ca") {
      flags.authority = value;
    } else if (flag == "--trust-domain") {
      flags.trust_domain = value;
    } else if (flag == "--out") {
      flags.output = value;
    } else if (flag == "--host") {
      flags.hosts.push_back(value);
    } else if (flag == "--valid") {
      if (!ParseTime(value, &flags.valid)) {
        return absl::InvalidArgumentError(
            absl::StrCat("--valid \"", value, "\" is not a time such as 90d, 12h or 10m"));
      }
    } else {
      return absl::InvalidArgumentError(absl::StrCat("there is no flag ", flag, "\n", kUsage));
    }
  }
  return flags;
}

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

absl::StatusOr<std::string> List(const std::string& authority) {
  const auto issued = auth::ListIssued(authority);
  if (!issued.ok()) return issued.status();
  Table table({{"NAME"}, {"SERIAL"}, {"UNTIL"}, {"STATE"}});
  for (const auto& [certificate, revoked] : *issued) {
    const bool expired = certificate.not_after < absl::Now();
    table.AddRow({certificate.uri, certificate.serial, Day(certificate.not_after),
                  revoked   ? "revoked"
                  : expired ? "expired"
                            : "good"});
  }
  return table.Print();
}

absl::StatusOr<std::string> Do(const std::string& verb, const Flags& flags) {
  if (verb == "init" && flags.names.empty()) {
    const absl::Status made =
        auth::InitAuthority(flags.authority, flags.trust_domain,
                            flags.valid == absl::ZeroDuration() ? kAuthorityTime : flags.valid);
    if (!made.ok()) return made;
    return absl::StrCat("made a certificate authority for ", flags.trust_domain, " in ",
                        flags.authority, "; keep ca.key to yourself");
  }
  if (verb == "ls" && flags.names.empty()) return List(flags.authority);
  if (flags.names.size() != 1) return absl::InvalidArgumentError(kUsage);
  const std::string& name = flags.names[0];
  const absl::Duration valid = flags.valid == absl::ZeroDuration() ? kTime : flags.valid;
  if (verb == "issue") {
    const std::string output =
        flags.output.empty() ? absl::StrReplaceAll(name, {{"/", "-"}}) : flags.output;
    const auto issued = auth::Issue(
        flags.authority, {.name = name, .hosts = flags.hosts, .valid = valid, .output = output});
    if (!issued.ok()) return issued.status();
    return absl::StrCat("issued ", issued->uri, " until ", Day(issued->not_after), ": ", output,
                        "/tls.crt, tls.key and ca.crt");
  }
  if (verb == "renew") {
    const auto renewed = auth::Renew(flags.authority, name, valid);
    if (!renewed.ok()) return renewed.status();
    return absl::StrCat("renewed ", renewed->uri, " until ", Day(renewed->not_after));
  }
  if (verb == "revoke") {
    const auto count = auth::Revoke(flags.authority, name);
    if (!count.ok()) return count.status();
    return absl::StrCat("revoked ", *count, "; managers read ", flags.authority,
                        "/revoked (--tls-revoked)");
  }
  return absl::InvalidArgumentError(kUsage);
}

}  // namespace

std::optional<Failure> Cert(const LocalCall& call) {
  const std::vector<std::string>& words = call.arguments.words;
  if (words.size() < 2) return ErrnoFailure(EINVAL, kUsage);
  const auto flags = ParseFlags(words);
  absl::StatusOr<std::string> said = flags.ok() ? Do(words[1], *flags) : flags.status();
  if (!said.ok()) {
    return ErrnoFailure(internal::ErrnoOf(said.status().code()), said.status().message());
  }
  return call.output->Write(*said);
}

}  // namespace outpost::cli
