#include "cli/completion_scripts.h"

#include <errno.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "cli/completion.h"
#include "cli/words.h"
#include "outpost/internal/printable.h"

namespace outpost::cli {
namespace {

constexpr char kBash[] = R"(# bash completion of outpost: source <(outpost completion bash)
_outpost() {
  local answer current=${COMP_WORDS[COMP_CWORD]:-}
  # A separator that stands alone, as "=", is not replaced but followed.
  [[ -n $current && $COMP_WORDBREAKS == *"$current"* ]] && current=
  mapfile -t answer < <("${COMP_WORDS[0]}" completion -- for-bash \
    "${COMP_LINE:0:COMP_POINT}" "$current" 2>/dev/null)
  COMPREPLY=("${answer[@]:1}")
  [[ ${answer[0]:-} != files ]] || compopt -o default
}
complete -F _outpost outpost
)";

constexpr char kZsh[] = R"(#compdef outpost
# zsh completion of outpost: source <(outpost completion zsh), or as a file named _outpost
# in a directory of $fpath
_outpost() {
  local -a answer
  answer=("${(@f)$("${words[1]}" completion -- for-zsh \
    "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  if [[ ${answer[1]} == files ]]; then
    _files
  else
    answer=("${(@)answer[2,-1]:#}")
    (( $#answer )) && _describe -V 'outpost' answer
  fi
}
if [[ ${funcstack[1]} == _outpost ]]; then
  _outpost "$@"
else
  compdef _outpost outpost
fi
)";

// A description is a line, whoever wrote it.
std::string OneLine(const std::string& text) {
  return absl::StrReplaceAll(internal::Printable(text), {{"\n", " "}});
}

std::string ForBash(const std::string& line, const std::string& current, const LocalCall& call) {
  const UnfinishedLine typed = SplitUnfinished(line);
  std::vector<std::string> words(typed.words.begin() + 1, typed.words.end());
  if (words.empty()) return "words\n";  // still the program's own name
  const Completions completions = Complete(words, call.arguments, call.interrupt);
  if (completions.file) return "files\n";
  // What bash leaves alone: "--format=" of "--format=js", whose `current` is "js".
  absl::string_view kept = words.back();
  if (!absl::ConsumeSuffix(&kept, current)) kept = "";
  std::string text = "words\n";
  for (const v1::Completion& word : completions.words) {
    absl::string_view rest = word.text();
    if (absl::ConsumePrefix(&rest, kept)) absl::StrAppend(&text, QuoteWord(rest), "\n");
  }
  return text;
}

std::string ForZsh(const std::vector<std::string>& words, const LocalCall& call) {
  const Completions completions = Complete(words, call.arguments, call.interrupt);
  if (completions.file) return "files\n";
  std::string text = "words\n";
  for (const v1::Completion& word : completions.words) {
    absl::StrAppend(&text, absl::StrReplaceAll(word.text(), {{":", "\\:"}, {"\\", "\\\\"}}));
    if (!word.description().empty()) absl::StrAppend(&text, ":", OneLine(word.description()));
    absl::StrAppend(&text, "\n");
  }
  return text;
}

}  // namespace

std::optional<Failure> Completion(const LocalCall& call) {
  const std::vector<std::string>& words = call.arguments.words;
  const std::string shell = words.size() > 1 ? words[1] : "";
  if (shell == "bash" && words.size() == 2) return call.output->Write(kBash);
  if (shell == "zsh" && words.size() == 2) return call.output->Write(kZsh);
  if (shell == "for-bash" && words.size() == 4) {
    return call.output->Write(ForBash(words[2], words[3], call));
  }
  if (shell == "for-zsh" && words.size() > 2) {
    return call.output->Write(ForZsh({words.begin() + 2, words.end()}, call));
  }
  return ErrnoFailure(EINVAL, "completion: say for which shell: outpost completion bash, or zsh");
}

}  // namespace outpost::cli
