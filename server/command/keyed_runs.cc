#include "server/command/keyed_runs.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "server/log/log.h"
#include "server/module/secret.h"

namespace outpost::command {
namespace {

using nlohmann::json;

constexpr char kPrefix[] = "command-run/";

std::string FingerprintOf(const Request& request) {
  json parts = {request.words, request.command_json, request.format};
  parts.push_back(request.inbuf ? json(module::Fingerprint(*request.inbuf)) : json());
  return module::Fingerprint(parts.dump(-1, ' ', false, json::error_handler_t::replace));
}

// A module is not asked any more so long before it may have forgotten: what it is asked is on
// the way for a time, and waits there behind other commands.
constexpr absl::Duration kOnTheWay = absl::Minutes(1);

// How long ago that was at least, or at most, which another manager has noted. The wall clock may
// have been set since; the steady one is another after a start of the machine.
absl::Duration LeastAge(const event::Moment& then, const event::Moment& now) {
  const absl::Duration steady = now - then;
  const absl::Duration wall = std::max(now.wall - then.wall, absl::ZeroDuration());
  return steady < absl::ZeroDuration() ? wall : std::min(steady, wall);
}
absl::Duration GreatestAge(const event::Moment& then, const event::Moment& now) {
  const absl::Duration steady = now - then;
  if (steady < absl::ZeroDuration()) return absl::InfiniteDuration();
  return std::max(steady, absl::AbsDuration(now.wall - then.wall));
}

// Text of whatever bytes, for JSON.
std::string Escape(const std::string& bytes) { return absl::Base64Escape(bytes); }
std::string Unescape(const json& text) {
  std::string bytes;
  if (text.is_string()) absl::Base64Unescape(text.get_ref<const std::string&>(), &bytes);
  return bytes;
}

// Whether rights are the same for both.
bool IsSame(const Match& a, const Match& b) {
  return a.command->provider == b.command->provider &&
         a.command->signature.prefix() == b.command->signature.prefix() &&
         a.command->declaration.permissions == b.command->declaration.permissions &&
         a.args == b.args;
}

KeyedRuns::Outcome Failed(absl::Status status, absl::string_view reason = "") {
  return {.status = std::move(status), .reason = reason, .response = {}};
}

KeyedRuns::Outcome KeyReused() {
  return Failed(absl::InvalidArgumentError(
                    "another command has this idempotency key; a key is for one command"),
                "KEY_REUSED");
}

KeyedRuns::Outcome Unknown(absl::string_view why) {
  return Failed(
      absl::AbortedError(absl::StrCat(
          "the command of this key was begun, and it is not known what came of it: ", why,
          "; it is not run again: look, and run it under another key where that is needed")),
      "OUTCOME_UNKNOWN");
}

}  // namespace

KeyedRuns::KeyedRuns(Dispatcher* dispatcher, store::StateStore* store, Instances instances,
                     KeyedRunsOptions options, std::function<event::Moment()> clock)
    : dispatcher_(dispatcher),
      store_(store),
      instances_(std::move(instances)),
      options_(options),
      clock_(std::move(clock)) {
  const event::Moment now = clock_();
  absl::MutexLock lock(&mu_);
  for (const auto& [key, text] : store_->List(kPrefix)) {
    absl::StatusOr<Entry> entry = Decode(text);
    if (!entry.ok()) {
      log::Get("command").error("{}: {}", key, entry.status().ToString());
      continue;
    }
    entry->begun.steady = now.steady - GreatestAge(entry->begun, now);
    if (entry->state == Entry::State::kEnded) {
      entry->ended.steady = now.steady - LeastAge(entry->ended, now);
    } else {
      entry->state = Entry::State::kInterrupted;
      entry->ended = now;
    }
    const std::string id(absl::StripPrefix(key, kPrefix));
    kept_bytes_ += KeptBytes(*entry);
    ends_.emplace_back(entry->ended.steady, id);
    entries_.emplace(id, *std::move(entry));
  }
  std::sort(ends_.begin(), ends_.end());
}

KeyedRuns::~KeyedRuns() {
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return running_ == 0; };
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&idle));
}

size_t KeyedRuns::size() const {
  absl::MutexLock lock(&mu_);
  return entries_.size();
}

std::string KeyedRuns::Encode(const Entry& entry) {
  json record = {{"fingerprint", entry.fingerprint},
                 {"module", entry.module},
                 {"instance", entry.instance},
                 {"begun", absl::ToUnixMillis(entry.begun.wall)},
                 {"begun_steady", absl::ToInt64Milliseconds(entry.begun.steady)}};
  if (entry.state == Entry::State::kEnded) {
    const Response& response = entry.response;
    record["ended"] = absl::ToUnixMillis(entry.ended.wall);
    record["ended_steady"] = absl::ToInt64Milliseconds(entry.ended.steady);
    record["left_out"] = entry.left_out;
    record["prefix"] = response.prefix;
    record["provider"] = response.provider;
    record["poll"] = response.poll;
    record["retval"] = response.result.retval;
    record["out"] = Escape(response.result.out);
    record["err"] = Escape(response.result.err);
  }
  return record.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<KeyedRuns::Entry> KeyedRuns::Decode(const std::string& text) {
  const json record = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto text_of = [&](const char* name) {
    const auto it = record.find(name);
    return it != record.end() && it->is_string() ? it->get<std::string>() : "";
  };
  const auto number_of = [&](const char* name) {
    const auto it = record.find(name);
    return it != record.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
  };
  const auto moment_of = [&](const char* wall, const char* steady) -> event::Moment {
    return {absl::FromUnixMillis(number_of(wall)), absl::Milliseconds(number_of(steady))};
  };
  if (!record.is_object() || text_of("fingerprint").empty()) {
    return absl::DataLossError("is no record of a command");
  }
  Entry entry;
  entry.fingerprint = text_of("fingerprint");
  entry.module = text_of("module");
  entry.instance = text_of("instance");
  entry.begun = moment_of("begun", "begun_steady");
  if (record.contains("ended")) {
    entry.state = Entry::State::kEnded;
    entry.ended = moment_of("ended", "ended_steady");
    entry.left_out = static_cast<size_t>(number_of("left_out"));
    entry.response.prefix = text_of("prefix");
    entry.response.provider = text_of("provider");
    entry.response.poll = record.value("poll", json()) == true;
    entry.response.result.retval = static_cast<int>(number_of("retval"));
    entry.response.result.out = Unescape(record.value("out", json()));
    entry.response.result.err = Unescape(record.value("err", json()));
  }
  return entry;
}

KeyedRuns::Outcome KeyedRuns::OutcomeOf(const Entry& entry) {
  if (entry.left_out > 0) {
    return Failed(absl::AbortedError(absl::StrCat(
                      "\"", entry.response.prefix, "\" was run under this key and returned ",
                      entry.response.result.retval, ", but its output of ", entry.left_out,
                      " bytes is more than is remembered; it is not run again")),
                  "OUTCOME_UNKNOWN");
  }
  return {.status = absl::OkStatus(), .response = entry.response, .replayed = true};
}

void KeyedRuns::Run(const std::string& key, Request request, Done done) {
  if (key.empty() || key.size() > kMaxKey ||
      !std::all_of(key.begin(), key.end(),
                   [](unsigned char c) { return absl::ascii_isgraph(c); })) {
    return done(Failed(absl::InvalidArgumentError(
        absl::StrCat("an idempotency key has 1 to ", kMaxKey,
                     " printable ASCII characters and no space, for example a UUID"))));
  }
  const std::string id = module::Fingerprint(absl::StrCat(request.caller, " ", key));
  Entry entry;
  entry.fingerprint = FingerprintOf(request);
  const absl::StatusOr<Match> match = dispatcher_->Resolve(request);
  if (!match.ok()) return done(Unresolved(id, entry.fingerprint, match.status()));
  if (request.authorize) {
    // Now, while the caller is there; also who only wants to know what came of it.
    Outcome outcome;
    outcome.response.refused = request.authorize(*match);
    if (!outcome.response.refused.ok()) {
      outcome.response.result = {.retval = -EACCES,
                                 .err = std::string(outcome.response.refused.message())};
      return done(std::move(outcome));
    }
    // What runs later, when the caller may be gone, is what they may run.
    request.authorize = [was = *match](const Match& now) {
      return IsSame(was, now) ? absl::OkStatus()
                              : absl::UnavailableError(
                                    "the command has changed since it was asked for; ask again");
    };
  }
  if (match->command->provider.kind == Provider::Kind::kModule) {
    entry.module = match->command->provider.module;
    entry.instance = instances_.now(entry.module);
  }
  Entry interrupted;
  {
    absl::ReleasableMutexLock lock(&mu_);
    Expire();
    const auto known = entries_.find(id);
    if (known == entries_.end()) {
      if (entries_.size() >= options_.max_keys) {
        lock.Release();
        return done(Failed(absl::ResourceExhaustedError(absl::StrCat(
            "there are ", options_.max_keys, " commands with an idempotency key already, of the ",
            "last ", absl::FormatDuration(options_.keep), "; try again later, or without one"))));
      }
      entry.begun = clock_();
      std::string record = Encode(entry);
      if (!entry.instance.empty()) request.idempotency_key = id;
      entry.waiting.push_back(std::move(done));
      entries_.emplace(id, std::move(entry));
      ++running_;
      lock.Release();
      return Begin(id, std::move(record), std::move(request));
    }
    Entry& old = known->second;
    if (old.fingerprint != entry.fingerprint) {
      lock.Release();
      return done(KeyReused());
    }
    if (old.state == Entry::State::kEnded) {
      Outcome outcome = OutcomeOf(old);
      lock.Release();
      return done(std::move(outcome));
    }
    old.waiting.push_back(std::move(done));
    if (old.state == Entry::State::kRunning) return;
    old.state = Entry::State::kRunning;
    ++running_;
    interrupted.module = old.module;
    interrupted.instance = old.instance;
    interrupted.begun = old.begun;
  }
  if (interrupted.instance.empty()) {
    return Answer(id, Entry::State::kInterrupted, Unknown("the manager was started again"));
  }
  AskAgain(id, interrupted, std::move(request));
}

KeyedRuns::Outcome KeyedRuns::Unresolved(const std::string& id, const std::string& fingerprint,
                                         const absl::Status& why) {
  bool is_known = false;
  {
    absl::MutexLock lock(&mu_);
    Expire();
    const auto known = entries_.find(id);
    is_known = known != entries_.end();
    if (is_known && known->second.fingerprint != fingerprint) return KeyReused();
  }
  if (!is_known) return {.status = absl::OkStatus(), .response = dispatcher_->Unresolved(why)};
  return Failed(absl::UnavailableError(
      "the command of this key was begun, but is not offered now (its module is gone, or the "
      "cluster has not been reached yet), so that it can't be said who may know what came of it; "
      "ask again with this key"));
}

void KeyedRuns::Begin(const std::string& id, std::string record, Request request) {
  store_->Write({.conditions = {}, .changes = {{absl::StrCat(kPrefix, id), std::move(record)}}},
                [this, id, request = std::move(request)](const absl::Status& noted) mutable {
                  if (!noted.ok()) {
                    return Answer(id, std::nullopt,
                                  Failed(absl::Status(
                                      noted.code(),
                                      absl::StrCat("the command was not run, as it could not be ",
                                                   "noted that it begins: ", noted.message()))));
                  }
                  dispatcher_->Run(std::move(request), [this, id](Response response) {
                    Ended(id, std::move(response), /*again=*/false);
                  });
                });
}

void KeyedRuns::AskAgain(const std::string& id, const Entry& entry, Request request) {
  request.idempotency_key = id;
  request.only_instance = entry.instance;
  const absl::Time deadline = request.deadline;
  instances_.when_running(
      entry.module, deadline,
      [this, id, begun = entry.begun,
       request = std::move(request)](const std::string& running) mutable {
        const auto gone = [this, id] {
          Answer(id, Entry::State::kInterrupted,
                 Unknown("the manager was started again, and so was the module"));
        };
        if (running != request.only_instance) return gone();
        if (clock_() - begun >= options_.keep - kOnTheWay) {
          return Answer(id, Entry::State::kInterrupted,
                        Unknown("the manager was started again, and the module may have forgotten "
                                "it since"));
        }
        dispatcher_->Run(std::move(request), [this, id, gone](Response response) {
          if (!response.refused.ok()) {
            return Answer(id, Entry::State::kInterrupted, Failed(response.refused));
          }
          if (response.result.lost || response.result.not_begun) return gone();
          Ended(id, std::move(response), /*again=*/true);
        });
      });
}

void KeyedRuns::Ended(const std::string& id, Response response, bool again) {
  if (!response.refused.ok()) return Answer(id, std::nullopt, Failed(response.refused));
  Outcome outcome = {
      .status = absl::OkStatus(), .response = std::move(response), .replayed = again};
  const Result& result = outcome.response.result;
  if (result.not_begun || result.retval == -EAGAIN) {
    return Answer(id, std::nullopt, std::move(outcome));
  }
  std::string record;
  {
    absl::MutexLock lock(&mu_);
    Entry& entry = entries_.at(id);
    entry.response = outcome.response;
    const size_t bytes = KeptBytes(entry);
    if (bytes > options_.max_result_bytes || kept_bytes_ + bytes > options_.max_bytes_of_all) {
      entry.left_out = bytes;
      entry.response.result.out.clear();
      entry.response.result.err.clear();
    }
    kept_bytes_ += KeptBytes(entry);
    entry.ended = clock_();
    entry.state = Entry::State::kEnded;
    record = Encode(entry);
    entry.state = Entry::State::kRunning;  // until it is durable
  }
  store_->Write({.conditions = {}, .changes = {{absl::StrCat(kPrefix, id), std::move(record)}}},
                [this, id, outcome = std::move(outcome)](const absl::Status& noted) mutable {
                  // What is not durable is known until this manager ends.
                  if (!noted.ok()) log::Get("command").error("{}: {}", kPrefix, noted.ToString());
                  Answer(id, Entry::State::kEnded, std::move(outcome));
                });
}

void KeyedRuns::Answer(const std::string& id, std::optional<Entry::State> state, Outcome outcome) {
  std::vector<Done> waiting;
  {
    absl::MutexLock lock(&mu_);
    const auto it = entries_.find(id);
    waiting = std::move(it->second.waiting);
    it->second.waiting.clear();
    if (!state) {
      entries_.erase(it);
      store_->Write({.conditions = {}, .changes = {{absl::StrCat(kPrefix, id), std::nullopt}}},
                    [](const absl::Status&) {});
    } else {
      it->second.state = *state;
      if (*state == Entry::State::kEnded) ends_.emplace_back(it->second.ended.steady, id);
    }
  }
  for (Done& done : waiting) {
    done(outcome);
    outcome.replayed = outcome.status.ok();  // for all but the first
  }
  absl::MutexLock lock(&mu_);
  --running_;
}

void KeyedRuns::Expire() {
  store::Batch batch;
  const event::Moment now = clock_();
  while (!ends_.empty() && now.steady - ends_.front().first >= options_.keep) {
    const auto [since, id] = std::move(ends_.front());
    ends_.pop_front();
    const auto it = entries_.find(id);
    if (it == entries_.end() || it->second.ended.steady != since)
      continue;                                        // it has ended once more
    if (it->second.state == Entry::State::kRunning) {  // it is asked for again
      it->second.ended = now;
      ends_.emplace_back(now.steady, id);
      continue;
    }
    kept_bytes_ -= KeptBytes(it->second);
    entries_.erase(it);
    batch.changes.push_back({absl::StrCat(kPrefix, id), std::nullopt});
  }
  if (!batch.changes.empty()) store_->Write(std::move(batch), [](const absl::Status&) {});
}

}  // namespace outpost::command
