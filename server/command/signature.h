// A Signature is a command's shape in Ceph's descriptor grammar (MonCommands.h):
// the literal words, then one descriptor a parameter:
//
//   osd pool set name=pool,type=CephPoolname name=val,type=CephInt,range=0|10,req=false
//
// Keys: name, type, n (N: one or more; a number: so many), req (default true),
// range (min or min|max), strings (a|b), goodchars ([A-Za-z]), prefix, positional;
// a bare "--" makes all parameters after it non-positional.
//
// It turns what a caller sent into a JSON object of typed values, accepting what
// Ceph's command line (ceph_argparse) accepts, with the same messages.
//
// **Thread safety.** Immutable once parsed: any thread.
//
// **Invariants.**
// 1. There is at least one literal word; all of them come before the parameters.
// 2. Parameters have distinct names, none of them "prefix".
#ifndef OUTPOST_SERVER_COMMAND_SIGNATURE_H_
#define OUTPOST_SERVER_COMMAND_SIGNATURE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "server/command/parameter.h"

namespace outpost::command {

class Signature {
 public:
  // INVALID_ARGUMENT names the signature and its fault.
  static absl::StatusOr<Signature> Parse(absl::string_view text);

  // The literal words, joined: "osd pool set".
  const std::string& prefix() const { return prefix_; }
  const std::vector<std::string>& words() const { return words_; }
  const std::vector<Param>& params() const { return params_; }

  // As help shows it: "osd pool set <pool> [<val:int>]".
  std::string Usage() const;

  // The values of `args`, the words after the literal ones: positional, --name value,
  // --name=value, --flag; "-" and "_" in names are the same. The object has no "prefix".
  // INVALID_ARGUMENT begins "Invalid command: " (after a line on the word that an optional
  // parameter refused, where there was one), as Ceph's command line prints it.
  absl::StatusOr<nlohmann::json> ParseWords(const std::vector<std::string>& args) const;

  // The same for a command_json's members: checked and typed. "5" becomes 5 for a CephInt,
  // 5 becomes "5" for a CephString; null means absent. "prefix" is left out; "format",
  // "target" and "width" pass as they are when no parameter has the name; any other key that
  // is no parameter is an error that names the nearest one. INVALID_ARGUMENT as in ParseWords.
  absl::StatusOr<nlohmann::json> CheckObject(const nlohmann::json& object) const;

  // How many required parameters the leading `args` satisfy by position. Tells which of
  // several commands with the same words a caller meant.
  size_t CountMatched(const std::vector<std::string>& args) const;

  // What could stand after `args`.
  struct Expected {
    // Non-null: the last word was --name, and this one wants a value.
    const Param* value_of = nullptr;
    // The parameters that could take the next word by position, in order.
    std::vector<const Param*> positional;
    // Those that have not been given: they could be named.
    std::vector<const Param*> named;
  };
  // Nothing when `args` do not fit.
  Expected ExpectAfter(const std::vector<std::string>& args) const;

 private:
  Signature() = default;

  std::string prefix_;
  std::vector<std::string> words_;
  std::vector<Param> params_;
};

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_SIGNATURE_H_
