// Options are a module's typed, declared settings. Declare them as members:
//
//     class Hello : public outpost::Module {
//       outpost::Option<bool> emphatic_ =
//           options().Add<bool>("emphatic", true, "End with an exclamation mark");
//       outpost::Option<int64_t> times_ =
//           options().Add<int64_t>("times", 1, "How often", {.min = 1, .max = 10});
//     };
//
// and read them with emphatic_.Get(), which costs no call: the manager sends
// every change, and the values are kept here. What must be done about a change:
//
//     options().OnChange<int64_t>(times_, [this](int64_t times) { Resize(times); });
//
// **Thread safety.** OptionSet is for the module's constructor. Option may be
// read from any thread; it may outlive the module.
//
// **Invariants.** Option::Get gives a value of the declared type, always: the
// declared default before the module is attached.
#ifndef OUTPOST_SDK_CPP_OUTPOST_OPTIONS_H_
#define OUTPOST_SDK_CPP_OUTPOST_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/byte_size.h"

namespace outpost {

// What an option holds; each is written as text. The manager takes more forms ("4K", "2h30")
// and gives these.
enum class OptionType {
  kStr = 1,
  kInt,      // "-3"
  kUint,     // "3"
  kFloat,    // "0.5"
  kBool,     // "true", "false"
  kAddr,     // a network address, as Ceph writes it
  kAddrvec,  // several
  kUuid,
  kSize,  // in bytes: "4096"
  kSecs   // in seconds: "1.5"
};
// For whom it is, for display.
enum class OptionLevel { kBasic = 1, kAdvanced, kDev };

// What there is to say of an option beside its name, default and description.
template <typename T>
struct OptionDetails {
  std::optional<T> min = {};  // of numbers alone; both are allowed values
  std::optional<T> max = {};
  std::vector<std::string> choices = {};  // the only values allowed; empty: any
  std::string long_description = {};
  OptionLevel level = OptionLevel::kAdvanced;
  std::vector<std::string> tags = {};
  std::vector<std::string> see_also = {};
  bool runtime = true;   // a change takes effect at once; false: at the next start
  bool secret = false;   // never logged, never dumped
  OptionType type = {};  // kAddr, kAddrvec or kUuid for texts that are one
};

namespace internal {

// How a C++ type is an option: its declared type and its text.
template <typename T>
struct OptionTraits;

#define OUTPOST_INTERNAL_OPTION_TRAITS(cpp_type, option_type)     \
  template <>                                                     \
  struct OptionTraits<cpp_type> {                                 \
    using Value = cpp_type;                                       \
    static constexpr OptionType kType = OptionType::option_type;  \
    static std::string ToText(const cpp_type& value);             \
    static std::optional<cpp_type> FromText(absl::string_view t); \
  }
OUTPOST_INTERNAL_OPTION_TRAITS(std::string, kStr);
OUTPOST_INTERNAL_OPTION_TRAITS(int64_t, kInt);
OUTPOST_INTERNAL_OPTION_TRAITS(uint64_t, kUint);
OUTPOST_INTERNAL_OPTION_TRAITS(double, kFloat);
OUTPOST_INTERNAL_OPTION_TRAITS(bool, kBool);
OUTPOST_INTERNAL_OPTION_TRAITS(ByteSize, kSize);
OUTPOST_INTERNAL_OPTION_TRAITS(absl::Duration, kSecs);
#undef OUTPOST_INTERNAL_OPTION_TRAITS

// An option that may have no value at all.
template <typename T>
struct OptionTraits<std::optional<T>> {
  using Value = T;
  static constexpr OptionType kType = OptionTraits<T>::kType;
  static std::optional<std::optional<T>> FromText(absl::string_view text) {
    auto value = OptionTraits<T>::FromText(text);
    if (!value) return std::nullopt;
    return value;
  }
};

struct OptionDeclaration {
  std::string name;
  OptionType type = OptionType::kStr;
  OptionLevel level = OptionLevel::kAdvanced;
  std::string description;
  std::string long_description;
  std::optional<std::string> default_value;
  std::optional<std::string> min;
  std::optional<std::string> max;
  std::vector<std::string> choices;
  std::vector<std::string> tags;
  std::vector<std::string> see_also;
  bool runtime = true;
  bool secret = false;
};

// What is wrong with a declaration.
absl::Status CheckDeclaration(const OptionDeclaration& declaration);

// The present values, as text. Thread-safe. A manager numbers its values: they come as
// answers to changes and on the session's stream, and an older one may come last.
class OptionValues {
 public:
  struct Update {
    std::string name;
    std::optional<std::string> value;
    uint64_t revision = 0;  // of the manager that told it
  };

  // Takes all values, from the manager of this instance, which has accepted the module:
  // another one counts revisions anew. Gives the names of those that differ from what
  // was known.
  std::vector<std::string> Configure(absl::string_view instance,
                                     const std::vector<Update>& updates);
  // Takes values of that manager, except those older than what is known.
  void Apply(const std::vector<Update>& updates);
  // Takes the answer of the manager of this instance; it may be another one by now, and
  // the answer is too late then.
  void ApplyAnswer(absl::string_view instance, const Update& update);
  std::optional<std::string> Get(absl::string_view name) const;

 private:
  struct Entry {
    std::optional<std::string> value;
    uint64_t revision = 0;
  };
  // Whether the value is another now, or the first.
  bool Take(const Update& update) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  std::string instance_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace internal

// A declared option; cheap to copy.
template <typename T>
class Option {
 public:
  Option(std::shared_ptr<const internal::OptionValues> values, std::string name, T default_value)
      : values_(std::move(values)),
        name_(std::move(name)),
        default_value_(std::move(default_value)) {}

  const std::string& name() const { return name_; }

  // The effective value now. Costs no call and never blocks on one.
  T Get() const {
    const std::optional<std::string> text = values_->Get(name_);
    if (!text) return default_value_;
    std::optional<T> value = internal::OptionTraits<T>::FromText(*text);
    return value ? *std::move(value) : default_value_;
  }

 private:
  std::shared_ptr<const internal::OptionValues> values_;
  std::string name_;
  T default_value_;
};

class OptionSet {
 public:
  // Declares log_level, log_to_file, log_to_cluster and log_to_cluster_level, which
  // every module has.
  OptionSet();

  // Declares an option of a type T: std::string, int64_t, uint64_t, double,
  // bool, ByteSize, absl::Duration. A default, `min` and `max` are sent in the
  // type's canonical text. `name`: letters, digits, '_', '-' and '.', once in the module.
  // What is wrong with a declaration ends the module before it attaches; see status().
  template <typename T>
  Option<T> Add(std::string name, T default_value, std::string description,
                OptionDetails<T> details = {}) {
    using Traits = internal::OptionTraits<T>;
    Declare(Declaration(name, std::move(description), details), Traits::ToText(default_value));
    return Option<T>(values_, std::move(name), std::move(default_value));
  }

  // Declares an option without a default: Get() gives nullopt until it is set.
  template <typename T>
  Option<std::optional<T>> AddUnset(std::string name, std::string description,
                                    OptionDetails<T> details = {}) {
    Declare(Declaration(name, std::move(description), details), std::nullopt);
    return Option<std::optional<T>>(values_, std::move(name), std::nullopt);
  }

  // Calls `callback` with the new value each time an option changes, whoever changed
  // it, on the thread of Module::ConfigChanged and before that; not with the first
  // values.
  template <typename T>
  void OnChange(const Option<T>& option, std::function<void(const T&)> callback) {
    callbacks_.emplace(option.name(),
                       [option, callback = std::move(callback)] { callback(option.Get()); });
  }
  // For each option of these names, runs what OnChange was given.
  void RunCallbacks(const std::vector<std::string>& names) const;

  // What is wrong with the declarations, by name; as CommandSet::status.
  absl::Status status() const;

  const std::vector<internal::OptionDeclaration>& declarations() const { return declarations_; }
  const internal::OptionDeclaration* Find(absl::string_view name) const;
  const std::shared_ptr<internal::OptionValues>& values() const { return values_; }

 private:
  template <typename T>
  static internal::OptionDeclaration Declaration(const std::string& name, std::string description,
                                                 const OptionDetails<T>& details) {
    using Traits = internal::OptionTraits<T>;
    internal::OptionDeclaration d;
    d.name = name;
    d.type = details.type == OptionType{} ? Traits::kType : details.type;
    d.level = details.level;
    d.description = std::move(description);
    d.long_description = details.long_description;
    if (details.min) d.min = Traits::ToText(*details.min);
    if (details.max) d.max = Traits::ToText(*details.max);
    d.choices = details.choices;
    d.tags = details.tags;
    d.see_also = details.see_also;
    d.runtime = details.runtime;
    d.secret = details.secret;
    return d;
  }

  void Declare(internal::OptionDeclaration declaration, std::optional<std::string> default_value);

  std::vector<internal::OptionDeclaration> declarations_;
  std::multimap<std::string, std::function<void()>> callbacks_;  // by option
  std::shared_ptr<internal::OptionValues> values_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_OPTIONS_H_
