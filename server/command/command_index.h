// CommandIndex is one state of the command table: who provides what, by prefix.
//
// **Thread safety.** Immutable once built: any thread.
#ifndef OUTPOST_SERVER_COMMAND_COMMAND_INDEX_H_
#define OUTPOST_SERVER_COMMAND_COMMAND_INDEX_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/command/command.h"
#include "server/command/command_table.h"

namespace outpost::command {

class CommandTable::Index {
 public:
  // By Provider::ToString().
  using Providers = std::map<std::string, std::vector<CommandPtr>>;

  Index() = default;
  explicit Index(Providers providers);

  const Providers& providers() const { return providers_; }

  // The commands with exactly this prefix that nobody hides. More than one only of the cluster.
  absl::Span<const CommandPtr> Find(absl::string_view prefix) const;

  // All that nobody hides, by prefix.
  const std::vector<CommandPtr>& visible() const { return visible_; }
  // The most literal words that a command has.
  size_t longest() const { return longest_; }

  // At most `limit` commands, those first that share most leading words with `words`, then
  // those whose next word is nearest; among these, those whose words after that fit best.
  std::vector<CommandPtr> Closest(const std::vector<std::string>& words, size_t limit) const;

  std::vector<CompletionCandidate> Complete(std::vector<std::string> words,
                                            const KnownValues& known) const;

 private:
  void CompleteLiterals(const std::vector<std::string>& finished, absl::string_view partial,
                        std::vector<CompletionCandidate>& out) const;
  void CompleteArguments(const std::vector<std::string>& finished, absl::string_view partial,
                         const KnownValues& known, std::vector<CompletionCandidate>& out) const;

  // A run of visible_.
  struct Run {
    size_t begin = 0;
    size_t size = 0;
  };

  Providers providers_;
  std::vector<CommandPtr> visible_;
  absl::flat_hash_map<std::string, Run> by_prefix_;
  size_t longest_ = 0;
};

// `words` with the first one split at its spaces: "osd status" is two words.
std::vector<std::string> SplitFirstWord(const std::vector<std::string>& words);

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_COMMAND_INDEX_H_
