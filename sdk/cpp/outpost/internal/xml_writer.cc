#include "outpost/internal/xml_writer.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "outpost/internal/utf8.h"

namespace outpost::internal {
namespace {

std::string Escape(absl::string_view text, bool quotes) {
  std::string escaped;
  for (const char c : ToUtf8(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += quotes ? "&quot;" : "\"";
        break;
      case '\t':
      case '\n':
        escaped += c;
        break;
      case '\r':  // as it is, a reader makes a newline of it
        escaped += "&#13;";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          escaped += "\xEF\xBF\xBD";
        } else {
          escaped += c;
        }
    }
  }
  return escaped;
}

// A subset of XML's names: a colon means a namespace, and ASCII is enough.
bool IsName(absl::string_view key) {
  if (key.empty() || (!absl::ascii_isalpha(static_cast<unsigned char>(key[0])) && key[0] != '_')) {
    return false;
  }
  for (const char c : key) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.') {
      return false;
    }
  }
  return true;
}

class Writer {
 public:
  explicit Writer(bool pretty) : pretty_(pretty) {}

  // An element with `value` in it; `attributes` begin with a space, or are empty.
  void Element(const std::string& name, const std::string& attributes, const Json& value) {
    Indent();
    absl::StrAppend(&text_, "<", name, attributes);
    const bool empty_text = value.is_string() && value.get_ref<const std::string&>().empty();
    if (value.is_null() || empty_text || (value.is_structured() && value.empty())) {
      text_ += " />";
    } else if (value.is_structured()) {
      text_ += '>';
      ++depth_;
      Members(value);
      --depth_;
      Indent();
      absl::StrAppend(&text_, "</", name, ">");
    } else {
      const std::string scalar = value.is_string()
                                     ? Escape(value.get_ref<const std::string&>(), /*quotes=*/false)
                                     : value.dump();
      absl::StrAppend(&text_, ">", scalar, "</", name, ">");
    }
  }

  std::string Finish() && { return std::move(text_); }

 private:
  void Members(const Json& value) {
    if (value.is_array()) {
      for (const Json& element : value) Element("item", "", element);
      return;
    }
    for (const auto& [key, member] : value.items()) {
      if (IsName(key)) {
        Element(key, "", member);
      } else {
        Element("item", absl::StrCat(" name=\"", Escape(key, /*quotes=*/true), "\""), member);
      }
    }
  }

  void Indent() {
    if (!pretty_) return;
    if (!text_.empty()) text_ += '\n';
    text_.append(2 * depth_, ' ');
  }

  const bool pretty_;
  size_t depth_ = 0;
  std::string text_;
};

}  // namespace

std::string ToXml(const Json& value, bool pretty) {
  Writer writer(pretty);
  writer.Element("response", "", value);
  return std::move(writer).Finish();
}

}  // namespace outpost::internal
