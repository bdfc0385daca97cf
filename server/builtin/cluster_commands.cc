// get, structures, tell: what the cluster says, and what is said to it.
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/render.h"
#include "server/cluster/derived_structure.h"
#include "server/command/command_table.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

// A structure, or a part, as the caller wants it.
command::Result Show(const std::string& format, absl::string_view text) {
  // The text as it is, without parsing a megabyte to print it again.
  if (format == "json") return {.retval = 0, .out = std::string(text), .err = ""};
  const json data = json::parse(text.begin(), text.end(), nullptr, false);
  return Render(format, data, [&] { return data.dump(4); });
}

void AddGet(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"get name=structure,type=CephString name=path,type=CephString,req=false "
       "name=fields,type=CephString,n=N,req=false",
       "show a structure of the cluster's data, or a part of it: by JSON Pointer (/osds/0), and of "
       "that some fields only",
       "r"},
      [cluster = s.cluster, parts = s.structure_parts](const BuiltinCall& call,
                                                       ResultCallback done) {
        const auto snapshot =
            cluster::GetStructure(*cluster, call.args["structure"].get<std::string>());
        if (!snapshot.ok()) return done(Failure(snapshot.status()));
        cluster::StructureParts::Part part = {
            .path = call.args.value("path", std::string()),
            .fields = call.args.value("fields", std::vector<std::string>())};
        if (part.path.empty() && part.fields.empty()) {
          return done(Show(call.format, (*snapshot)->json));
        }
        parts->Read(*snapshot, std::move(part),
                    [format = call.format, done = std::move(done)](
                        const absl::StatusOr<absl::string_view>& text) mutable {
                      done(text.ok() ? Show(format, *text) : Failure(text.status()));
                    });
      });
}

void AddStructures(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"structures", "list the structures of the cluster's data: version, size, age", "r"},
      [cluster = s.cluster](const BuiltinCall& call, ResultCallback done) {
        json data = json::array();
        Table table({{"STRUCTURE"},
                     {"VERSION", Table::Align::kRight},
                     {"BYTES", Table::Align::kRight},
                     {"CHANGED", Table::Align::kRight},
                     {"CONFIRMED", Table::Align::kRight}});
        for (const auto& [snapshot, changed, confirmed] : cluster->List()) {
          data.push_back({{"name", snapshot->name},
                          {"version", snapshot->version},
                          {"bytes", snapshot->json.size()},
                          {"changed", absl::FormatTime(changed)},
                          {"confirmed", absl::FormatTime(confirmed)}});
          table.AddRow({snapshot->name, absl::StrCat(snapshot->version),
                        absl::StrCat(snapshot->json.size()), HowLongAgo(changed),
                        HowLongAgo(confirmed)});
        }
        done(Render(call.format, data, [&] { return table.Print(); }));
      });
}

// The JSON command that `words` mean, by the signatures that the cluster gave.
absl::StatusOr<std::string> ClusterCommandJson(const cluster::Source& source,
                                               const std::vector<std::string>& words) {
  if (words.size() == 1 && !words[0].empty() && words[0][0] == '{') return words[0];
  command::CommandTable table;
  if (auto status = table.SetCommands({command::Provider::Kind::kCluster, ""},
                                      command::WithValidSignatures(source.Commands()));
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<command::Match> match = table.ResolveWords(words);
  if (!match.ok()) return match.status();
  json object = match->args;
  object["prefix"] = match->command->signature.prefix();
  return object.dump();
}

void AddTell(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"tell name=target,type=CephString name=command,type=CephString,n=N",
       "send a command to a daemon of the cluster: mon, osd.3, …; words, or a JSON object", "rw"},
      [source = s.source](BuiltinCall call, ResultCallback done) {
        const std::pair<std::string, std::string> target =
            absl::StrSplit(call.args["target"].get<std::string>(), absl::MaxSplits('.', 1));
        const std::vector<std::string> words = call.args["command"];
        std::string command_json;
        if (target.first == "mon") {
          const absl::StatusOr<std::string> parsed = ClusterCommandJson(*source, words);
          if (!parsed.ok()) return done(Failure(parsed.status()));
          command_json = *parsed;
        } else if (words.size() == 1 && words[0][0] == '{') {
          command_json = words[0];
        } else {
          command_json = json{{"prefix", absl::StrJoin(words, " ")}}.dump();
        }
        source->RunCommand({.service_type = target.first,
                            .service_id = target.second,
                            .command_json = std::move(command_json),
                            .inbuf = std::move(call.inbuf).value_or(""),
                            .deadline = call.deadline},
                           std::move(done));
      });
}

}  // namespace

void AddClusterCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  AddGet(subjects, dispatcher);
  AddStructures(subjects, dispatcher);
  AddTell(subjects, dispatcher);
}

}  // namespace outpost::builtin
