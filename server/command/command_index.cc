#include "server/command/command_index.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
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

}  // namespace

CommandTable::Index::Index(Providers providers) : providers_(std::move(providers)) {
  absl::flat_hash_map<absl::string_view, int> highest;  // rank, by prefix
  for (const auto& [name, commands] : providers_) {
    for (const CommandPtr& command : commands) {
      int& rank = highest[command->signature.prefix()];
      rank = std::max(rank, Rank(*command));
    }
  }
  for (const auto& [name, commands] : providers_) {
    for (const CommandPtr& command : commands) {
      if (Rank(*command) == highest[command->signature.prefix()]) visible_.push_back(command);
    }
  }
  std::stable_sort(visible_.begin(), visible_.end(), [](const CommandPtr& a, const CommandPtr& b) {
    return a->signature.prefix() < b->signature.prefix();
  });
  for (size_t i = 0; i < visible_.size(); ++i) {
    const Signature& signature = visible_[i]->signature;
    Run& run = by_prefix_[signature.prefix()];
    if (run.size++ == 0) run.begin = i;
    longest_ = std::max(longest_, signature.words().size());
  }
}

absl::Span<const CommandPtr> CommandTable::Index::Find(absl::string_view prefix) const {
  const auto found = by_prefix_.find(prefix);
  if (found == by_prefix_.end()) return {};
  return absl::MakeConstSpan(visible_).subspan(found->second.begin, found->second.size);
}

std::vector<CommandPtr> CommandTable::Index::Closest(const std::vector<std::string>& words,
                                                     size_t limit) const {
  std::vector<CommandPtr> closest;
  AddClosest(visible_, words, limit, closest);
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
  for (const CommandPtr& command : visible_) {
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
