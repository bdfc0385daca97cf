#include "server/auth/caps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/auth/caps_grant.h"
#include "server/auth/caps_parser.h"

namespace outpost::auth {
namespace {

using Grant = Caps::Grant;

bool GrantsAll(const Grant& grant) {
  return grant.access == kAny && grant.service.empty() && grant.module.empty() &&
         grant.command.empty() && grant.profile.empty() && !grant.network;
}

}  // namespace

std::string AccessText(Access access) {
  if (access == kAny) return "*";
  return absl::StrCat((access & kRead) != 0 ? "r" : "", (access & kWrite) != 0 ? "w" : "",
                      (access & kExecute) != 0 ? "x" : "");
}

Access AccessOf(absl::string_view letters) {
  Access access = 0;
  for (const char letter : letters) {
    if (letter == 'r') access |= kRead;
    if (letter == 'w') access |= kWrite;
    if (letter == 'x') access |= kExecute;
  }
  return access;
}

Caps Caps::AllowAll() {
  static const auto* const kAll = [] {
    auto* const caps = new Caps;
    Grant everything;
    everything.access = kAny;
    caps->grants_ = std::make_shared<const std::vector<Grant>>(1, everything);
    caps->allows_all_ = true;
    return caps;
  }();
  return *kAll;
}

absl::StatusOr<Caps> Caps::Parse(absl::string_view text) {
  if (text.size() > kMaxText) {
    return absl::InvalidArgumentError(
        absl::StrCat("caps have at most ", kMaxText, " bytes, these ", text.size()));
  }
  auto grants = ParseGrants(text);
  if (!grants.ok()) return grants.status();
  Caps caps;
  caps.allows_all_ = std::any_of(grants->begin(), grants->end(), GrantsAll);
  caps.grants_ = std::make_shared<const std::vector<Grant>>(*std::move(grants));
  return caps;
}

bool Caps::Allow(const Need& need) const {
  if (allows_all_) return true;
  if (grants_ == nullptr) return false;
  Access allowed = 0;
  for (const Grant& grant : *grants_) {
    allowed |= grant.Allowed(need);
    // A need of nothing is met by a grant of anything, and not by none.
    if (allowed != 0 && (allowed & need.access) == need.access) return true;
  }
  return false;
}

std::string Caps::ToString() const {
  if (grants_ == nullptr) return "";
  return absl::StrJoin(*grants_, ", ", [](std::string* out, const Grant& grant) {
    absl::StrAppend(out, grant.ToString());
  });
}

}  // namespace outpost::auth
