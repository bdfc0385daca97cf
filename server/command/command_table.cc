#include "server/command/command_table.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "server/command/command_index.h"
#include "server/log/log.h"
#include "server/text/nearest.h"

namespace outpost::command {
namespace {

using nlohmann::json;

constexpr size_t kClosestMatches = 10;
constexpr size_t kNearestPrefixes = 3;
constexpr size_t kShownRequestBytes = 256;

std::string Named(const Provider& provider) {
  switch (provider.kind) {
    case Provider::Kind::kManager:
      return "the manager";
    case Provider::Kind::kModule:
      return absl::StrCat("module ", provider.module);
    case Provider::Kind::kCluster:
      return "the cluster";
  }
  return "";
}

// A request, short enough for an error message; cut between characters.
std::string Shown(absl::string_view request) {
  if (request.size() <= kShownRequestBytes) return std::string(request);
  size_t end = kShownRequestBytes;
  while (end > 0 && (static_cast<unsigned char>(request[end]) & 0xc0) == 0x80) --end;
  return absl::StrCat(request.substr(0, end), "...");
}

// A fault in the arguments, with the line on usage that Ceph's command line adds.
absl::Status WithUsage(const absl::Status& fault, const Command& command) {
  return absl::InvalidArgumentError(absl::StrCat(fault.message(), "\n", command.signature.Usage(),
                                                 " :  ", command.declaration.description));
}

// The payload of a status that says so.
constexpr char kUnknownCommand[] = "outpost/unknown-command";

absl::Status UnknownCommand(absl::string_view text) {
  absl::Status status = absl::InvalidArgumentError(text);
  status.SetPayload(kUnknownCommand, absl::Cord());
  return status;
}

absl::Status NotFound(const std::vector<CommandPtr>& closest) {
  std::string text = absl::StrCat("no valid command found; ", closest.size(), " closest matches:");
  for (const CommandPtr& command : closest) {
    absl::StrAppend(&text, "\n", command->signature.Usage());
  }
  return UnknownCommand(text);
}

size_t RequiredCount(const Signature& signature) {
  return static_cast<size_t>(std::count_if(signature.params().begin(), signature.params().end(),
                                           [](const Param& param) { return param.required; }));
}

// Commands of one prefix in the order in which to try them on `args`: those first that
// more of the words fit, then those that want less.
std::vector<CommandPtr> InOrderOfFit(absl::Span<const CommandPtr> commands,
                                     const std::vector<std::string>& args) {
  std::vector<std::tuple<size_t, size_t, CommandPtr>> graded;
  for (const CommandPtr& command : commands) {
    graded.emplace_back(command->signature.CountMatched(args), RequiredCount(command->signature),
                        command);
  }
  std::stable_sort(graded.begin(), graded.end(), [](const auto& a, const auto& b) {
    return std::get<0>(a) != std::get<0>(b) ? std::get<0>(a) > std::get<0>(b)
                                            : std::get<1>(a) < std::get<1>(b);
  });
  std::vector<CommandPtr> ordered;
  ordered.reserve(graded.size());
  for (auto& [matched, required, command] : graded) ordered.push_back(std::move(command));
  return ordered;
}

absl::StatusOr<std::vector<CommandPtr>> ParseDeclarations(const Provider& provider,
                                                          std::vector<Declaration> declarations) {
  std::vector<CommandPtr> commands;
  absl::flat_hash_set<std::string> prefixes;
  for (Declaration& declaration : declarations) {
    absl::StatusOr<Signature> signature = Signature::Parse(declaration.signature);
    if (!signature.ok()) return signature.status();
    if (provider.kind != Provider::Kind::kCluster &&
        !prefixes.insert(std::string(signature->prefix())).second) {
      return absl::InvalidArgumentError(absl::StrCat("command \"", signature->prefix(),
                                                     "\" is declared twice by ", Named(provider)));
    }
    commands.push_back(std::make_shared<const Command>(
        Command{std::move(declaration), *std::move(signature), provider}));
  }
  return commands;
}

}  // namespace

std::vector<Declaration> WithValidSignatures(std::vector<Declaration> declarations) {
  std::erase_if(declarations, [](const Declaration& declaration) {
    const absl::Status status = Signature::Parse(declaration.signature).status();
    if (!status.ok()) log::Get("command").warn("{}", status.ToString());
    return !status.ok();
  });
  return declarations;
}

CommandTable::CommandTable() : index_(std::make_shared<const Index>()) {}
CommandTable::~CommandTable() = default;

std::shared_ptr<const CommandTable::Index> CommandTable::index() const {
  absl::ReaderMutexLock lock(&mu_);
  return index_;
}

absl::Status CommandTable::SetCommands(const Provider& provider,
                                       std::vector<Declaration> declarations) {
  if (Provides(provider, declarations)) return absl::OkStatus();
  absl::StatusOr<std::vector<CommandPtr>> commands =
      ParseDeclarations(provider, std::move(declarations));
  if (!commands.ok()) return commands.status();

  absl::MutexLock change(&change_mu_);
  if (provider.kind != Provider::Kind::kCluster) {
    const std::shared_ptr<const Index> present = index();
    for (const CommandPtr& command : *commands) {
      for (const CommandPtr& other : present->Find(command->signature.prefix())) {
        if (other->provider.kind == Provider::Kind::kCluster || other->provider == provider ||
            other->declaration.yields || command->declaration.yields) {
          continue;
        }
        return absl::AlreadyExistsError(absl::StrCat("command \"", command->signature.prefix(),
                                                     "\" is already provided by ",
                                                     Named(other->provider)));
      }
    }
  }
  Replace(provider, *std::move(commands));
  return absl::OkStatus();
}

void CommandTable::RemoveCommands(const Provider& provider) {
  absl::MutexLock change(&change_mu_);
  Replace(provider, {});
}

bool CommandTable::Provides(const Provider& provider,
                            const std::vector<Declaration>& declarations) const {
  absl::MutexLock change(&change_mu_);
  const auto it = provided_.find(provider.ToString());
  if (it == provided_.end()) return declarations.empty();
  return std::equal(it->second.begin(), it->second.end(), declarations.begin(), declarations.end(),
                    [](const CommandPtr& command, const Declaration& declaration) {
                      return command->declaration == declaration;
                    });
}

void CommandTable::Replace(const Provider& provider, std::vector<CommandPtr> commands) {
  const std::string name = provider.ToString();
  const auto it = provided_.find(name);
  if (it == provided_.end() && commands.empty()) return;
  std::vector<CommandPtr> gone;
  if (it != provided_.end()) gone.swap(it->second);
  auto next = std::make_shared<const Index>(*index(), gone, commands);
  {
    absl::MutexLock lock(&mu_);
    index_.swap(next);
  }
  // Nobody who looks something up waits for what goes with the old one.
  if (!commands.empty()) {
    provided_[name] = std::move(commands);
  } else {
    provided_.erase(it);
  }
}

absl::StatusOr<Match> CommandTable::ResolveWords(const std::vector<std::string>& typed) const {
  const std::shared_ptr<const Index> index = this->index();
  const std::vector<std::string> words = SplitFirstWord(typed);

  // All prefixes that the words begin with are beginnings of one text.
  std::string joined;
  std::vector<size_t> ends;
  for (size_t i = 0; i < std::min(words.size(), index->longest()); ++i) {
    absl::StrAppend(&joined, i == 0 ? "" : " ", words[i]);
    ends.push_back(joined.size());
  }
  absl::Status first_fault;
  for (size_t length = ends.size(); length > 0; --length) {
    const absl::Span<const CommandPtr> found =
        index->Find(absl::string_view(joined).substr(0, ends[length - 1]));
    if (found.empty()) continue;
    const std::vector<std::string> args(words.begin() + static_cast<std::ptrdiff_t>(length),
                                        words.end());
    for (const CommandPtr& command :
         found.size() == 1 ? std::vector<CommandPtr>{found[0]} : InOrderOfFit(found, args)) {
      absl::StatusOr<json> values = command->signature.ParseWords(args);
      if (values.ok()) return Match{command, *std::move(values)};
      if (first_fault.ok()) first_fault = WithUsage(values.status(), *command);
    }
  }
  if (!first_fault.ok()) return first_fault;
  return NotFound(index->Closest(words, kClosestMatches));
}

absl::StatusOr<Match> CommandTable::ResolveJson(absl::string_view command_json) const {
  const json object = json::parse(command_json.begin(), command_json.end(), nullptr,
                                  /*allow_exceptions=*/false);
  if (object.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrCat("unparseable JSON ", Shown(command_json)));
  }
  if (!object.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("not JSON object ", Shown(command_json)));
  }
  const auto member = object.find("prefix");
  if (member == object.end() || !member->is_string()) {
    return absl::InvalidArgumentError("bad or missing field 'prefix'");
  }
  const auto& prefix = member->get_ref<const std::string&>();

  const std::shared_ptr<const Index> index = this->index();
  absl::Status first_fault;
  for (const CommandPtr& command : index->Find(prefix)) {
    absl::StatusOr<json> values = command->signature.CheckObject(object);
    if (values.ok()) return Match{command, *std::move(values)};
    if (first_fault.ok()) first_fault = WithUsage(values.status(), *command);
  }
  if (!first_fault.ok()) return first_fault;
  std::vector<std::string> known;
  for (const CommandPtr& command : index->visible()) known.push_back(command->signature.prefix());
  const std::vector<std::string> near = text::Nearest(prefix, known, kNearestPrefixes);
  return UnknownCommand(absl::StrCat("No handler found for '", Shown(prefix), "'",
                                     near.empty() ? "" : "; nearest: ", absl::StrJoin(near, ", ")));
}

bool CommandTable::IsUnknownCommand(const absl::Status& status) {
  return status.GetPayload(kUnknownCommand).has_value();
}

std::vector<CommandPtr> CommandTable::List(absl::string_view prefix, bool include_cluster) const {
  std::vector<CommandPtr> commands;
  const std::shared_ptr<const Index> index = this->index();
  for (const CommandPtr& command : index->visible()) {
    if ((include_cluster || command->provider.kind != Provider::Kind::kCluster) &&
        absl::StartsWith(command->signature.prefix(), prefix)) {
      commands.push_back(command);
    }
  }
  return commands;
}

std::vector<CompletionCandidate> CommandTable::Complete(const std::vector<std::string>& words,
                                                        const KnownValues& known) const {
  std::vector<std::string> split = SplitFirstWord(words);
  // "osd " is a finished word and an empty one.
  const bool ends_in_space = words.size() == 1 && !words[0].empty() && words[0].back() == ' ';
  if (ends_in_space) split.emplace_back();
  return index()->Complete(std::move(split), known);
}

}  // namespace outpost::command
