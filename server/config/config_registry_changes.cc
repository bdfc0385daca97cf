// How a ConfigRegistry changes what is set: Set, ForceSet, Remove, Reset.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/config/config_registry.h"

namespace outpost::config {
namespace {

std::string Shown(const std::string& value, bool secret) { return secret ? kRedacted : value; }

void SetNow(google::protobuf::Timestamp& time) {
  const absl::Time now = absl::Now();
  const absl::Time second = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  time.set_seconds(absl::ToUnixSeconds(now));
  time.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(now - second)));
}

}  // namespace

void ConfigRegistry::Set(absl::string_view key, absl::string_view value, absl::string_view who,
                         Done done) {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return done(parsed.status());
  auto canonical = declared_.Canonicalize(*parsed, value);
  if (!canonical.ok()) return done(canonical.status());
  const bool secret = declared_.IsSecret(*parsed);
  Write({*std::move(parsed), *std::move(canonical), secret}, std::string(who), std::move(done));
}

void ConfigRegistry::ForceSet(absl::string_view key, absl::string_view value, absl::string_view who,
                              Done done) {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return done(parsed.status());
  if (declared_.Check(*parsed).ok()) return Set(key, value, who, std::move(done));
  // As if it were declared as a text.
  Descriptors any;
  any.Add()->set_name(parsed->option);
  auto schemas = CreateSchemas(parsed->module.empty() ? "global" : parsed->module, any);
  if (!schemas.ok()) return done(schemas.status());
  auto text = schemas->find(parsed->option)->second.Canonicalize(key, value);
  if (!text.ok()) return done(text.status());
  // Without its declaration nobody knows whether it is a secret.
  Write({*std::move(parsed), *std::move(text), /*secret=*/true}, std::string(who), std::move(done));
}

void ConfigRegistry::Remove(absl::string_view key, absl::string_view who, Done done) {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return done(parsed.status());
  absl::Status declared = declared_.Check(*parsed);
  if (!declared.ok() && !store_.Get(parsed->StoreKey())) return done(declared);
  const bool secret = !declared.ok() || declared_.IsSecret(*parsed);
  Write({*std::move(parsed), std::nullopt, secret}, std::string(who), std::move(done));
}

void ConfigRegistry::Write(Assignment assignment, std::string who, Done done) {
  std::vector<Assignment> assignments = {assignment};
  const std::string by = who;
  Commit(assignments, by,
         [this, assignment = std::move(assignment), who = std::move(who),
          done = std::move(done)](absl::Status status) mutable {
           if (absl::IsFailedPrecondition(status)) {
             return Write(std::move(assignment), std::move(who), std::move(done));
           }
           if (!status.ok()) return done(std::move(status));
           done(Result(assignment));
         });
}

void ConfigRegistry::Reset(uint64_t version, absl::string_view who, ResetDone done) {
  const auto later = history_.After(version);
  if (!later.ok()) return done(later.status());
  // The oldest change after `version` tells what there was before.
  std::map<std::string, std::optional<std::string>> before;
  for (const ConfigVersion& undone : *later) {
    for (const v1::ConfigChange& change : undone.changes) {
      before[change.key()] =
          change.has_old_value() ? std::make_optional(change.old_value()) : std::nullopt;
    }
  }
  std::vector<Assignment> assignments;
  std::vector<std::string> kept;
  for (auto& [text, value] : before) {
    auto key = OptionKey::Parse(text);
    if (!key.ok()) continue;
    if (value == kRedacted) {
      kept.push_back(text);
      continue;
    }
    const bool secret = !declared_.Check(*key).ok() || declared_.IsSecret(*key);
    assignments.push_back({*std::move(key), std::move(value), secret});
  }
  const std::string by = absl::StrCat(who, " (reset to ", version, ")");
  Commit(assignments, by,
         [this, version, who = std::string(who), kept = std::move(kept),
          done = std::move(done)](absl::Status status) mutable {
           if (absl::IsFailedPrecondition(status)) return Reset(version, who, std::move(done));
           if (!status.ok()) return done(std::move(status));
           done(std::move(kept));
         });
}

void ConfigRegistry::Commit(const std::vector<Assignment>& assignments, const std::string& who,
                            store::StateStore::WriteDone done) {
  store::Batch batch;
  std::vector<v1::ConfigChange> changes;
  for (const Assignment& assignment : assignments) {
    const std::string key = assignment.key.StoreKey();
    std::optional<std::string> old = store_.Get(key);
    if (old == assignment.value) continue;
    v1::ConfigChange& change = changes.emplace_back();
    SetNow(*change.mutable_time());
    change.set_who(who);
    change.set_key(assignment.key.ToString());
    if (old) change.set_old_value(Shown(*old, assignment.secret));
    if (assignment.value) change.set_new_value(Shown(*assignment.value, assignment.secret));
    batch.changes.push_back({key, assignment.value});
    batch.conditions.push_back({key, std::move(old)});  // so that the history is true
  }
  if (changes.empty()) return done(absl::OkStatus());
  history_.Append(changes, batch);
  {
    absl::MutexLock lock(&writes_mu_);
    ++writes_in_flight_;
  }
  store_.Write(std::move(batch), [this, done = std::move(done)](absl::Status status) mutable {
    done(std::move(status));
    done = nullptr;
    absl::MutexLock lock(&writes_mu_);
    --writes_in_flight_;
  });
}

v1::OptionValue ConfigRegistry::Result(const Assignment& assignment) const {
  v1::OptionValue result = EffectiveAt(assignment.key);
  if (assignment.value) {
    result.set_value(*assignment.value);
    result.set_source(assignment.key.Layer());
    result.clear_revision();  // a stronger layer may hide it
  }
  return result;
}

}  // namespace outpost::config
