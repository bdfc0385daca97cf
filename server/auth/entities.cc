#include "server/auth/entities.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/auth/peer.h"
#include "server/log/log.h"

namespace outpost::auth {
namespace {

constexpr char kKeys[] = "auth/entity/";
constexpr size_t kMaxName = 64;

std::string KeyOf(absl::string_view name) { return absl::StrCat(kKeys, name); }

}  // namespace

absl::Status ValidateEntityName(absl::string_view name) {
  absl::string_view rest = name;
  const bool user = absl::ConsumePrefix(&rest, "user/");
  const bool module = !user && absl::ConsumePrefix(&rest, "module/");
  const bool good =
      (user || module) && !rest.empty() && rest.size() <= kMaxName &&
      std::all_of(rest.begin(), rest.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("_-.@", c);
      });
  if (good || name == kEveryModule) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is no entity: user/NAME, module/NAME or ", kEveryModule,
                   ", a NAME of letters, digits, '_', '-', '.' and '@', at most ", kMaxName));
}

Entities::Entities(store::StateStore* store) : store_(store) {
  for (const auto& [key, text] : store->List(kKeys)) {
    const std::string name(absl::StripPrefix(key, kKeys));
    absl::StatusOr<Caps> caps = text.empty() ? Caps() : Caps::Parse(text);
    if (!caps.ok()) {
      log::Get("auth").error("{} may do nothing: {}", name, std::string(caps.status().message()));
    }
    absl::MutexLock lock(&state_->mu);
    state_->entities[name] = caps.ok() ? *std::move(caps) : Caps();
  }
}

std::optional<Caps> Entities::CapsOf(absl::string_view name) const {
  if (name == kAdmin) return Caps::AllowAll();
  absl::MutexLock lock(&state_->mu);
  auto it = state_->entities.find(name);
  if (it == state_->entities.end() && absl::StartsWith(name, "module/")) {
    it = state_->entities.find(kEveryModule);
    if (it == state_->entities.end()) return Caps::AllowAll();
  }
  if (it != state_->entities.end()) return it->second;
  if (name == kPlaintextTcp) return Caps::AllowAll();  // as its flag says
  return std::nullopt;
}

std::optional<Caps> Entities::Get(absl::string_view name) const {
  absl::MutexLock lock(&state_->mu);
  const auto it = state_->entities.find(name);
  if (it == state_->entities.end()) return std::nullopt;
  return it->second;
}

std::vector<std::pair<std::string, Caps>> Entities::List() const {
  absl::MutexLock lock(&state_->mu);
  return {state_->entities.begin(), state_->entities.end()};
}

void Entities::Set(const std::string& name, Caps caps, store::StateStore::WriteDone done) {
  absl::Status status = ValidateEntityName(name);
  if (name == kAdmin) {
    status = absl::InvalidArgumentError(
        absl::StrCat(kAdmin, " may do everything: so it is never locked out"));
  }
  if (!status.ok()) return done(std::move(status));
  std::string text = caps.ToString();
  store_->Write({.conditions = {}, .changes = {{KeyOf(name), std::move(text)}}},
                [state = state_, name, caps = std::move(caps),
                 done = std::move(done)](absl::Status written) mutable {
                  if (written.ok()) {
                    absl::MutexLock lock(&state->mu);
                    state->entities[name] = std::move(caps);
                  }
                  done(std::move(written));
                });
}

void Entities::Remove(const std::string& name, store::StateStore::WriteDone done) {
  if (!Get(name)) return done(absl::NotFoundError(absl::StrCat("no caps were set for ", name)));
  store_->Write({.conditions = {}, .changes = {{KeyOf(name), std::nullopt}}},
                [state = state_, name, done = std::move(done)](absl::Status written) mutable {
                  if (written.ok()) {
                    absl::MutexLock lock(&state->mu);
                    state->entities.erase(name);
                  }
                  done(std::move(written));
                });
}

}  // namespace outpost::auth
