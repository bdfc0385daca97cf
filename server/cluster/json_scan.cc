#include "server/cluster/json_scan.h"

#include <nlohmann/json.hpp>

namespace outpost::cluster::json_scan {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

bool EndsScalar(char c) { return c == ',' || c == ']' || c == '}' || IsSpace(c); }

}  // namespace

size_t SkipSpace(absl::string_view text, size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

size_t SkipString(absl::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return text.size();
}

size_t SkipValue(absl::string_view text, size_t at) {
  if (at >= text.size()) return text.size();
  if (text[at] == '"') return SkipString(text, at);
  if (text[at] != '{' && text[at] != '[') {
    while (at < text.size() && !EndsScalar(text[at])) ++at;
    return at;
  }
  size_t depth = 0;
  while (at < text.size()) {
    switch (text[at]) {
      case '"':
        at = SkipString(text, at);
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return at + 1;
        break;
      default:
        break;
    }
    ++at;
  }
  return text.size();
}

absl::string_view StringAt(absl::string_view text, size_t at, std::string* decoded) {
  const size_t end = SkipString(text, at);
  const absl::string_view inside = text.substr(at + 1, end - at - 2);
  if (inside.find('\\') == absl::string_view::npos) return inside;
  const absl::string_view quoted = text.substr(at, end - at);
  const auto value = nlohmann::json::parse(quoted.begin(), quoted.end(), nullptr, false);
  if (!value.is_string()) return inside;
  *decoded = value.get<std::string>();
  return *decoded;
}

Children::Children(absl::string_view text, size_t at) : text_(text), object_(text[at] == '{') {
  Take(SkipSpace(text, at + 1));
}

Children Children::From(absl::string_view text, size_t child, bool object) {
  Children children;
  children.text_ = text;
  children.object_ = object;
  children.Take(child);
  return children;
}

void Children::Take(size_t at) {
  if (at >= text_.size() || text_[at] == ']' || text_[at] == '}') {
    done_ = true;
    return;
  }
  key_ = at;
  if (object_) {
    at = SkipSpace(text_, SkipString(text_, at));  // the colon
    at = SkipSpace(text_, at + 1);
  }
  value_ = at;
}

void Children::Next(size_t end) {
  if (end == absl::string_view::npos) end = SkipValue(text_, value_);
  const size_t comma = SkipSpace(text_, end);
  if (comma >= text_.size() || text_[comma] != ',') {
    done_ = true;
    return;
  }
  Take(SkipSpace(text_, comma + 1));
}

}  // namespace outpost::cluster::json_scan
