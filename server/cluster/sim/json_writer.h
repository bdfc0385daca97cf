// JsonWriter appends JSON to a string, without a tree in between: an OSD map of
// a thousand OSDs takes about a millisecond.
//
// **Thread safety.** None: one thread.
//
// **Invariants.** The caller nests and names correctly; the writer sets commas and
// escapes strings. Equal calls give equal bytes.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_JSON_WRITER_H_
#define OUTPOST_SERVER_CLUSTER_SIM_JSON_WRITER_H_

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster::sim {

class JsonWriter {
 public:
  // How doubles that are whole numbers look: "1.0", as a mgr module prints them,
  // or "1", as a monitor does.
  enum class Whole { kWithPoint, kWithoutPoint };

  explicit JsonWriter(Whole whole = Whole::kWithPoint) : whole_(whole) {}

  void Reserve(size_t bytes) { text_.reserve(bytes); }
  std::string Take() { return std::move(text_); }

  // `body` writes the members or elements.
  template <typename Body>
  void Object(Body body) {
    Begin('{');
    body();
    End('}');
  }
  template <typename Body>
  void Array(Body body) {
    Begin('[');
    body();
    End(']');
  }
  template <typename Body>
  void Object(absl::string_view key, Body body) {
    Key(key);
    Object(body);
  }
  template <typename Body>
  void Array(absl::string_view key, Body body) {
    Key(key);
    Array(body);
  }
  // An array of a range's values.
  template <typename Range>
  void List(absl::string_view key, const Range& values) {
    Array(key, [&] {
      for (const auto& value : values) Value(value);
    });
  }

  // A member's name; its value follows.
  void Key(absl::string_view key) {
    Separate();
    AppendString(key);
    text_ += ':';
    comma_ = false;
  }

  // A member. Bool, number or text.
  template <typename T>
  void Field(absl::string_view key, const T& value) {
    Key(key);
    Value(value);
  }

  template <typename T>
  void Value(const T& value) {
    Separate();
    if constexpr (std::is_same_v<T, bool>) {
      text_ += value ? "true" : "false";
    } else if constexpr (std::is_arithmetic_v<T>) {
      AppendNumber(value);
    } else {
      AppendString(absl::string_view(value));
    }
    comma_ = true;
  }

 private:
  void Begin(char bracket) {
    Separate();
    text_ += bracket;
    comma_ = false;
  }
  void End(char bracket) {
    text_ += bracket;
    comma_ = true;
  }
  void Separate() {
    if (comma_) text_ += ',';
  }
  template <typename Number>
  void AppendNumber(Number value) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    const std::string_view digits(buffer, static_cast<size_t>(end - buffer));
    text_ += digits;
    if constexpr (std::is_floating_point_v<Number>) {
      if (whole_ == Whole::kWithPoint && digits.find_first_of(".en") == std::string_view::npos) {
        text_ += ".0";
      }
    }
  }

  void AppendString(absl::string_view value) {
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += c;
      } else if (c == '\n') {
        text_ += "\\n";
      } else if (static_cast<unsigned char>(c) < 0x20) {
        absl::StrAppendFormat(&text_, "\\u%04x", static_cast<unsigned char>(c));
      } else {
        text_ += c;
      }
    }
    text_ += '"';
  }

  Whole whole_;
  bool comma_ = false;
  std::string text_;
};

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_JSON_WRITER_H_
