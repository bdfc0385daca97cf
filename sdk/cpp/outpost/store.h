// StoreBatch is an atomic change of a module's KV store; see Module::Apply. Keys and values
// are bounded as there: 1 to 1024 bytes, and up to 8 MiB.
//
// **Thread safety.** None: one thread fills it.
#ifndef OUTPOST_SDK_CPP_OUTPOST_STORE_H_
#define OUTPOST_SDK_CPP_OUTPOST_STORE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace outpost {

// Example: move a claim from one holder to another, if nobody else did.
//
//     StoreBatch batch;
//     batch.Expect("claim", "joe").Set("claim", "ann").Remove("waiting/ann");
class StoreBatch {
 public:
  // A key and a value; no value: the key is absent.
  using Entry = std::pair<std::string, std::optional<std::string>>;

  // The batch is applied only if `key` has `value` (nullopt: is absent).
  StoreBatch& Expect(std::string key, std::optional<std::string> value) {
    conditions_.emplace_back(std::move(key), std::move(value));
    return *this;
  }
  // Changes are made in the order of these calls: of two of one key the last holds.
  StoreBatch& Set(std::string key, std::string value) {
    changes_.emplace_back(std::move(key), std::move(value));
    return *this;
  }
  // No error where there is no such key.
  StoreBatch& Remove(std::string key) {
    changes_.emplace_back(std::move(key), std::nullopt);
    return *this;
  }

  const std::vector<Entry>& conditions() const { return conditions_; }
  const std::vector<Entry>& changes() const { return changes_; }

 private:
  std::vector<Entry> conditions_;
  std::vector<Entry> changes_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_STORE_H_
