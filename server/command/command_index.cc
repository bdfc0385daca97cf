#include "server/command/command_index.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/text/nearest.h"

namespace outpost::command {
namespace {

size_t SharedWords(const Signature& signature, const std::vector<std::string>& words) {
  const auto& mine = signature.words();
  return static_cast<size_t>(
      std::mismatch(mine.begin(), mine.end(), words.begin(), words.end()).first - mine.begin());
}

// Adds `commands`, ordered by nearness to `words`, to `out`, until that has `limit`.
void AddClosest(const std::vector<CommandPtr>& commands, const std::vector<std::string>& words,
                size_t limit, std::vector<CommandPtr>& out) {
  std::map<size_t, std::vector<CommandPtr>, std::greater<>> by_shared;
  for (const CommandPtr& command : commands) {
    by_shared[SharedWords(command->signature, words)].push_back(command);
  }
  for (const auto& [shared, alike] : by_shared) {
    const std::string typed = shared < words.size() ? words[shared] : "";
    std::map<std::string, std::vector<CommandPtr>> by_next;
    for (const CommandPtr& command : alike) {
      const auto& literals = command->signature.words();
      by_next[shared < literals.size() ? literals[shared] : ""].push_back(command);
    }
    std::vector<std::string> order;
    order.reserve(by_next.size());
    for (const auto& [next, unused] : by_next) order.push_back(next);
    for (const std::string& next : text::Nearest(typed, order, limit)) {
      // As if it had been typed right: the words after it tell which of them is meant.
      std::vector<std::string> corrected = words;
      corrected[shared] = next;
      AddClosest(by_next[next], corrected, limit, out);
      by_next.erase(next);
    }
    for (const auto& [next, rest] : by_next) out.insert(out.end(), rest.begin(), rest.end());
    if (out.size() >= limit) break;
  }
}

// Of those with the same prefix, the command of the higher rank hides the other.
int Rank(const Command& command) {
  if (command.provider.kind == Provider::Kind::kCluster) return 0;
  return command.declaration.yields ? 1 : 2;
}

// The order of commands with the same prefix.
bool ComesBefore(const CommandPtr& a, const CommandPtr& b) {
  if (Rank(*a) != Rank(*b)) return Rank(*a) > Rank(*b);
  return std::tie(a->provider.kind, a->provider.module) <
         std::tie(b->provider.kind, b->provider.module);
}

size_t HashOf(absl::string_view prefix) { return absl::HashOf(prefix); }

}  // namespace

CommandTable::Index::Slot* CommandTable::Index::FindIn(Shard& shard, size_t hash,
                                                       absl::string_view prefix) {
  for (Slot& slot : shard.slots) {
    if (slot.hash == hash && slot.commands[0]->signature.prefix() == prefix) return &slot;
  }
  return nullptr;
}

void CommandTable::Index::Add(const CommandPtr& command, size_t hash, Shard& shard) {
  Slot* slot = FindIn(shard, hash, command->signature.prefix());
  if (slot == nullptr) {
    slot =
        &shard.slots.emplace_back(Slot{.hash = hash, .words = command->signature.words().size()});
  }
  // Behind those of the same provider that it declared before.
  slot->commands.insert(
      std::upper_bound(slot->commands.begin(), slot->commands.end(), command, ComesBefore),
      command);
  Settle(*slot);
}

void CommandTable::Index::Remove(const CommandPtr& command, size_t hash, Shard& shard) {
  Slot* const slot = FindIn(shard, hash, command->signature.prefix());
  slot->commands.erase(std::find(slot->commands.begin(), slot->commands.end(), command));
  if (!slot->commands.empty()) return Settle(*slot);
  if (slot != &shard.slots.back()) *slot = std::move(shard.slots.back());
  shard.slots.pop_back();
}

void CommandTable::Index::Settle(Slot& slot) {
  const int highest = Rank(*slot.commands[0]);
  slot.visible = static_cast<size_t>(
      std::find_if(slot.commands.begin(), slot.commands.end(),
                   [highest](const CommandPtr& command) { return Rank(*command) != highest; }) -
      slot.commands.begin());
}

CommandTable::Index::Index(const Index& before, absl::Span<const CommandPtr> gone,
                           absl::Span<const CommandPtr> come)
    : shards_(before.shards_) {
  std::array<std::shared_ptr<Shard>, kShards> changed;
  const auto own = [&](size_t hash) -> Shard& {
    std::shared_ptr<Shard>& copy = changed[hash % kShards];
    if (copy == nullptr) {
      const Shard* const present = shards_[hash % kShards].get();
      copy = present == nullptr ? std::make_shared<Shard>() : std::make_shared<Shard>(*present);
    }
    return *copy;
  };
  for (const CommandPtr& command : gone) {
    const size_t hash = HashOf(command->signature.prefix());
    Remove(command, hash, own(hash));
  }
  for (const CommandPtr& command : come) {
    const size_t hash = HashOf(command->signature.prefix());
    Add(command, hash, own(hash));
  }
  for (size_t i = 0; i < kShards; ++i) {
    if (changed[i] != nullptr) {
      changed[i]->longest = 0;
      for (const Slot& slot : changed[i]->slots) {
        changed[i]->longest = std::max(changed[i]->longest, slot.words);
      }
      shards_[i] = changed[i]->slots.empty() ? nullptr : std::move(changed[i]);
    }
    if (shards_[i] != nullptr) longest_ = std::max(longest_, shards_[i]->longest);
  }
}

absl::Span<const CommandPtr> CommandTable::Index::Find(absl::string_view prefix) const {
  const size_t hash = HashOf(prefix);
  const Shard* const shard = shards_[hash % kShards].get();
  if (shard == nullptr) return {};
  for (const Slot& slot : shard->slots) {
    if (slot.hash == hash && slot.commands[0]->signature.prefix() == prefix) {
      return absl::MakeConstSpan(slot.commands).first(slot.visible);
    }
  }
  return {};
}

const std::vector<CommandPtr>& CommandTable::Index::visible() const {
  absl::call_once(in_order_, [this] {
    std::vector<const Slot*> slots;
    for (const auto& shard : shards_) {
      if (shard == nullptr) continue;
      for (const Slot& slot : shard->slots) slots.push_back(&slot);
    }
    std::sort(slots.begin(), slots.end(), [](const Slot* a, const Slot* b) {
      return a->commands[0]->signature.prefix() < b->commands[0]->signature.prefix();
    });
    for (const Slot* slot : slots) {
      const auto shown = absl::MakeConstSpan(slot->commands).first(slot->visible);
      visible_.insert(visible_.end(), shown.begin(), shown.end());
    }
  });
  return visible_;
}

std::vector<CommandPtr> CommandTable::Index::Closest(const std::vector<std::string>& words,
                                                     size_t limit) const {
  std::vector<CommandPtr> closest;
  AddClosest(visible(), words, limit, closest);
  if (closest.size() > limit) closest.resize(limit);
  return closest;
}

std::vector<CompletionCandidate> CommandTable::Index::Complete(std::vector<std::string> words,
                                                               const KnownValues& known) const {
  std::string partial;
  if (!words.empty()) {
    partial = std::move(words.back());
    words.pop_back();
  }
  std::vector<CompletionCandidate> candidates;
  CompleteLiterals(words, partial, candidates);
  CompleteArguments(words, partial, known, candidates);
  std::set<std::string> seen;
  std::erase_if(candidates,
                [&](const auto& candidate) { return !seen.insert(candidate.text).second; });
  return candidates;
}

void CommandTable::Index::CompleteLiterals(const std::vector<std::string>& finished,
                                           absl::string_view partial,
                                           std::vector<CompletionCandidate>& out) const {
  for (const CommandPtr& command : visible()) {
    const auto& words = command->signature.words();
    if (words.size() <= finished.size() ||
        SharedWords(command->signature, finished) != finished.size() ||
        !absl::StartsWith(words[finished.size()], partial)) {
      continue;
    }
    // Commands are in order: the one that ends with this word, if any, comes before those
    // that go on.
    const bool ends = words.size() == finished.size() + 1;
    out.push_back({words[finished.size()], ends ? command->declaration.description : ""});
  }
}

void CommandTable::Index::CompleteArguments(const std::vector<std::string>& finished,
                                            absl::string_view partial, const KnownValues& known,
                                            std::vector<CompletionCandidate>& out) const {
  const auto dashed = [](const Param& param) {
    return absl::StrCat("--", absl::StrReplaceAll(param.name, {{"_", "-"}}));
  };
  for (size_t length = std::min(longest_, finished.size()); length > 0; --length) {
    const auto end = finished.begin() + static_cast<std::ptrdiff_t>(length);
    const absl::Span<const CommandPtr> found = Find(absl::StrJoin(finished.begin(), end, " "));
    for (const CommandPtr& command : found) {
      const std::vector<std::string> given(end, finished.end());
      const auto values = [&](const Param& param, const std::string& before) {
        const auto add = [&](const std::string& value, const std::string& description) {
          std::string text = absl::StrCat(before, value);
          if (absl::StartsWith(text, partial)) out.push_back({std::move(text), description});
        };
        if (param.is("CephChoices")) {
          for (const std::string& choice : param.choices) add(choice, param.name);
        } else if (known) {
          for (const auto& [value, description] : known(*command, param, given)) {
            add(value, description);
          }
        }
      };
      const Signature::Expected expected = command->signature.ExpectAfter(given);
      if (expected.value_of != nullptr) {
        values(*expected.value_of, "");
        continue;
      }
      for (const Param* param : expected.positional) values(*param, "");
      for (const Param* param : expected.named) {
        const std::string name = dashed(*param);
        if (absl::StartsWith(partial, name + "=")) {
          values(*param, name + "=");
        } else if (absl::StartsWith(name, partial)) {
          out.push_back({name, param->type->describe(*param)});
        }
      }
    }
    if (!found.empty()) return;
  }
}

std::vector<std::string> SplitFirstWord(const std::vector<std::string>& words) {
  if (words.empty() || words[0].find_first_of(" \t\n") == std::string::npos) return words;
  std::vector<std::string> split =
      absl::StrSplit(words[0], absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
  split.insert(split.end(), words.begin() + 1, words.end());
  return split;
}

}  // namespace outpost::command
