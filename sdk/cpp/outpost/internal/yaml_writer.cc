#include "outpost/internal/yaml_writer.h"

#include <yaml.h>

#include <cmath>
#include <regex>
#include <utility>

#include "absl/strings/string_view.h"
#include "outpost/internal/utf8.h"

namespace outpost::internal {
namespace {

constexpr char kDigits[] = "0123456789abcdefABCDEFx_+-.:";

// What a YAML 1.1 reader takes for something other than a text, and so must be
// quoted to be one: the types of yaml.org/type.
bool ReadsAsAnotherType(const std::string& text) {
  static const auto* const kOther = new std::regex(
      // null, merge, value
      "|~|null|Null|NULL|<<|="
      // bool
      "|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
      // int
      "|[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+"
      "|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+"
      // float
      "|[-+]?[0-9][0-9_]*\\.[0-9_]*(?:[eE][-+][0-9]+)?|\\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
      "|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\\.[0-9_]*|[-+]?\\.(?:inf|Inf|INF)|\\.(?:nan|NaN|NAN)"
      // timestamp
      "|[0-9]{4}-[0-9]{2}-[0-9]{2}"
      "|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \\t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]*)?"
      "(?:[ \\t]*(?:Z|[-+][0-9]{1,2}(?::?[0-9]{2})?))?",
      std::regex::optimize);
  constexpr absl::string_view kFirst = "~nN<=yYtTfFoO-+.0123456789";
  if (text.empty()) return true;
  if (kFirst.find(text[0]) == absl::string_view::npos) return false;
  // std::regex recurses; of the above only numbers can be long.
  if (text.size() > 64) return text.find_first_not_of(kDigits) == std::string::npos;
  return std::regex_match(text, *kOther);
}

std::string FloatText(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::string text = Json(value).dump();
  // "1e+16" has no point, and would be a text.
  const size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.find('.') == std::string::npos) {
    text.insert(exponent, ".0");
  }
  return text;
}

class Emitter {
 public:
  Emitter() {
    yaml_emitter_initialize(&emitter_);
    yaml_emitter_set_output(&emitter_, &Emitter::Append, &text_);
    yaml_event_t event;
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    Emit(&event);
    yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, /*implicit=*/1);
    Emit(&event);
  }
  ~Emitter() { yaml_emitter_delete(&emitter_); }
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;

  void Value(const Json& value) {
    switch (value.type()) {
      case Json::value_t::object:
        return Object(value);
      case Json::value_t::array:
        return Array(value);
      case Json::value_t::string:
        return Text(value.get_ref<const std::string&>());
      case Json::value_t::number_float:
        return Scalar(FloatText(value.get<double>()), /*plain=*/true);
      default:
        return Scalar(value.dump(), /*plain=*/true);  // null, true, 7
    }
  }

  std::string Finish() {
    yaml_event_t event;
    yaml_document_end_event_initialize(&event, /*implicit=*/1);
    Emit(&event);
    yaml_stream_end_event_initialize(&event);
    Emit(&event);
    return std::move(text_);
  }

 private:
  static int Append(void* text, unsigned char* data, size_t size) {
    static_cast<std::string*>(text)->append(reinterpret_cast<const char*>(data), size);
    return 1;
  }

  // The only failure there can be is that memory is out: the events fit together.
  void Emit(yaml_event_t* event) { yaml_emitter_emit(&emitter_, event); }

  void Object(const Json& value) {
    yaml_event_t event;
    yaml_mapping_start_event_initialize(&event, nullptr, nullptr, /*implicit=*/1,
                                        YAML_BLOCK_MAPPING_STYLE);
    Emit(&event);
    for (const auto& [key, member] : value.items()) {
      Text(key);
      Value(member);
    }
    yaml_mapping_end_event_initialize(&event);
    Emit(&event);
  }

  void Array(const Json& value) {
    yaml_event_t event;
    yaml_sequence_start_event_initialize(&event, nullptr, nullptr, /*implicit=*/1,
                                         YAML_BLOCK_SEQUENCE_STYLE);
    Emit(&event);
    for (const Json& element : value) Value(element);
    yaml_sequence_end_event_initialize(&event);
    Emit(&event);
  }

  void Text(const std::string& text) {
    const std::string clean = ToUtf8(text);
    Scalar(clean, !ReadsAsAnotherType(clean));
  }

  // `plain`: it may stand without quotes, if its characters allow it.
  void Scalar(const std::string& text, bool plain) {
    yaml_event_t event;
    yaml_scalar_event_initialize(
        &event, nullptr, nullptr,
        reinterpret_cast<yaml_char_t*>(const_cast<char*>(text.data())),  // it only reads
        static_cast<int>(text.size()), plain ? 1 : 0, /*quoted_implicit=*/1, YAML_ANY_SCALAR_STYLE);
    Emit(&event);
  }

  yaml_emitter_t emitter_;
  std::string text_;
};

}  // namespace

std::string ToYaml(const Json& value) {
  Emitter emitter;
  emitter.Value(value);
  return emitter.Finish();
}

}  // namespace outpost::internal
