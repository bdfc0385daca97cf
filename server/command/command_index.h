// CommandIndex is one state of the command table: who provides what, by prefix.
//
// It is made from the state before it, and shares with it what did not change: commands lie in
// kShards parts, by the hashes of their prefixes, and only those parts are copied that are
// concerned. So a change costs what its own commands cost, however many others there are. All of
// them in order are put together when somebody wants that first.
//
// **Thread safety.** Immutable once built, as far as its users can see: any thread.
#ifndef OUTPOST_SERVER_COMMAND_COMMAND_INDEX_H_
#define OUTPOST_SERVER_COMMAND_COMMAND_INDEX_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/command/command.h"
#include "server/command/command_table.h"

namespace outpost::command {

class CommandTable::Index {
 public:
  Index() = default;
  // `before` without `gone`, which are in it, and with `come`, which are not: commands of one
  // provider, in the order in which it declares them.
  Index(const Index& before, absl::Span<const CommandPtr> gone, absl::Span<const CommandPtr> come);

  // The commands with exactly this prefix that nobody hides. More than one only of the cluster.
  absl::Span<const CommandPtr> Find(absl::string_view prefix) const;

  // All that nobody hides, by prefix.
  const std::vector<CommandPtr>& visible() const;
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

  // The commands of one prefix: those first that nobody hides, then by provider.
  struct Slot {
    size_t hash = 0;
    size_t words = 0;  // literal ones
    size_t visible = 0;
    absl::InlinedVector<CommandPtr, 1> commands = {};
  };
  struct Shard {
    std::vector<Slot> slots;
    size_t longest = 0;
  };
  static constexpr size_t kShards = 256;

  static Slot* FindIn(Shard& shard, size_t hash, absl::string_view prefix);
  static void Add(const CommandPtr& command, size_t hash, Shard& shard);
  static void Remove(const CommandPtr& command, size_t hash, Shard& shard);
  static void Settle(Slot& slot);

  std::array<std::shared_ptr<const Shard>, kShards> shards_;  // null: an empty one
  size_t longest_ = 0;
  mutable absl::once_flag in_order_;
  mutable std::vector<CommandPtr> visible_;  // since in_order_
};

// `words` with the first one split at its spaces: "osd status" is two words.
std::vector<std::string> SplitFirstWord(const std::vector<std::string>& words);

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_COMMAND_INDEX_H_
