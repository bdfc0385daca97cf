#include "server/text/nearest.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace outpost::text {
namespace {

// A word comes from outside; the table below grows with its square.
constexpr size_t kLongestWord = 256;

// The "optimal string alignment" distance of two lower-case words.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> Nearest(absl::string_view word, const std::vector<std::string>& known,
                                 size_t limit) {
  if (word.empty() || word.size() > kLongestWord) return {};
  const std::string wanted = absl::AsciiStrToLower(word);
  std::vector<std::pair<size_t, const std::string*>> found;
  for (const std::string& name : known) {
    if (name.empty() || name.size() > kLongestWord) continue;
    const std::string candidate = absl::AsciiStrToLower(name);
    const size_t distance = EditDistance(wanted, candidate);
    const size_t longer = std::max(wanted.size(), candidate.size());
    const bool beginning =
        absl::StartsWith(candidate, wanted) || absl::StartsWith(wanted, candidate);
    const bool near = distance < longer && distance <= std::max<size_t>(2, longer / 3);
    if (near || beginning) found.emplace_back(distance, &name);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (const auto& [distance, name] : found) {
    if (names.size() == limit) break;
    names.push_back(*name);
  }
  return names;
}

std::string DidYouMean(const std::vector<std::string>& nearest) {
  if (nearest.empty()) return "";
  return absl::StrCat("; did you mean ", absl::StrJoin(nearest, " or "), "?");
}

}  // namespace outpost::text
