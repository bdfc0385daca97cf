#include "server/command/command_table.h"

#include <atomic>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace outpost::command {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const Provider kManager{Provider::Kind::kManager, ""};
const Provider kCluster{Provider::Kind::kCluster, ""};
Provider Module(const std::string& name) { return {Provider::Kind::kModule, name}; }

std::vector<Declaration> Declare(const std::vector<std::string>& signatures) {
  std::vector<Declaration> declarations;
  declarations.reserve(signatures.size());
  for (const std::string& signature : signatures) {
    declarations.push_back({signature, "echo the parsed args", "r"});
  }
  return declarations;
}

class CommandTableTest : public testing::Test {
 protected:
  void Set(const Provider& provider, const std::vector<std::string>& signatures) {
    const absl::Status set = table_.SetCommands(provider, Declare(signatures));
    ASSERT_TRUE(set.ok()) << set;
  }

  // "provider: prefix {args}", or the message.
  static std::string Show(const absl::StatusOr<Match>& match) {
    if (!match.ok()) {
      EXPECT_EQ(match.status().code(), absl::StatusCode::kInvalidArgument);
      return std::string(match.status().message());
    }
    return absl::StrCat(match->command->provider.ToString(), ": ",
                        match->command->signature.prefix(), " ", match->args.dump());
  }
  std::string Words(const std::vector<std::string>& words) {
    return Show(table_.ResolveWords(words));
  }
  std::string Json(absl::string_view text) { return Show(table_.ResolveJson(text)); }

  std::vector<std::string> Listed(absl::string_view prefix, bool include_cluster) {
    std::vector<std::string> prefixes;
    for (const CommandPtr& command : table_.List(prefix, include_cluster)) {
      prefixes.push_back(
          absl::StrCat(command->provider.ToString(), ": ", command->signature.prefix()));
    }
    return prefixes;
  }
  std::vector<std::string> Completions(const std::vector<std::string>& words) {
    std::vector<std::string> texts;
    for (const CompletionCandidate& candidate : table_.Complete(words)) {
      texts.push_back(candidate.text);
    }
    return texts;
  }

  CommandTable table_;
};

constexpr char kNoopArgs[] =
    "noop args name=who,type=CephString name=n,type=CephInt,range=0|10 "
    "name=f,type=CephFloat,req=false name=c,type=CephChoices,strings=red|green,req=false "
    "name=b,type=CephBool,req=false name=many,type=CephString,n=N,req=false";
constexpr char kNoopUsage[] =
    "\nnoop args <who> <n:int> [<f:float>] [red|green] [--b] [<many>...] :  echo the parsed args";

TEST_F(CommandTableTest, FindsByWords) {
  Set(Module("noop"), {"noop", kNoopArgs});
  EXPECT_EQ(Words({"noop"}), "module/noop: noop {}");
  EXPECT_EQ(Words({"noop", "args", "joe", "5"}), R"(module/noop: noop args {"n":5,"who":"joe"})");
  EXPECT_EQ(Words({"noop args", "a b", "5"}), R"(module/noop: noop args {"n":5,"who":"a b"})");
  EXPECT_EQ(Words({"noop args joe 5"}), R"(module/noop: noop args {"n":5,"who":"joe"})");
}

TEST_F(CommandTableTest, SaysWhatCephSaysOfArguments) {
  Set(Module("noop"), {"noop", kNoopArgs});
  EXPECT_EQ(Words({"noop", "args"}),
            absl::StrCat("Invalid command: missing required parameter who(<string>)", kNoopUsage));
  EXPECT_EQ(Words({"noop", "args", "joe", "notanint"}),
            absl::StrCat("Invalid command: notanint doesn't represent an int", kNoopUsage));
  EXPECT_EQ(Words({"noop", "args", "joe", "11"}),
            absl::StrCat("Invalid command: 11 not in range [0, 10]", kNoopUsage));
  EXPECT_EQ(Words({"noop", "nosuch"}),
            "Invalid command: unused arguments: ['nosuch']\nnoop :  echo the parsed args");
  EXPECT_EQ(Words({"noop", "args", "joe", "5", "--nosuch"}),
            absl::StrCat("Invalid command: Unexpected argument '--nosuch'", kNoopUsage));
}

TEST_F(CommandTableTest, MostLiteralWordsWin) {
  Set(Module("a"),
      {"osd pool name=x,type=CephString,n=N", "osd pool ls name=d,type=CephInt,req=false"});
  EXPECT_EQ(Words({"osd", "pool", "ls"}), "module/a: osd pool ls {}");
  EXPECT_EQ(Words({"osd", "pool", "ls", "3"}), R"(module/a: osd pool ls {"d":3})");
  // The arguments fit the shorter one only.
  EXPECT_EQ(Words({"osd", "pool", "ls", "x"}), R"(module/a: osd pool {"x":["ls","x"]})");
}

TEST_F(CommandTableTest, TheBestCandidatesFaultIsReported) {
  Set(Module("a"), {"osd pool name=x,type=CephInt", "osd pool ls name=d,type=CephInt"});
  EXPECT_THAT(Words({"osd", "pool", "ls", "x"}),
              StartsWith("Invalid command: x doesn't represent an int\nosd pool ls <d:int>"));
}

TEST_F(CommandTableTest, TheClusterMayOverloadAPrefix) {
  Set(kCluster, {"osd crush set name=prior_version,type=CephInt,req=false",
                 "osd crush set name=id,type=CephOsdName name=weight,type=CephFloat "
                 "name=args,type=CephString,n=N"});
  EXPECT_EQ(Words({"osd", "crush", "set", "7"}), R"(cluster: osd crush set {"prior_version":7})");
  EXPECT_EQ(Words({"osd", "crush", "set", "osd.0", "1", "root=default"}),
            R"(cluster: osd crush set {"args":["root=default"],"id":0,"weight":1.0})");
  // The one that was meant complains.
  EXPECT_THAT(Words({"osd", "crush", "set", "osd.0", "1"}),
              StartsWith("Invalid command: saw 0 of args(<string>)..., expected at least 1"));
  EXPECT_EQ(Json(R"({"prefix": "osd crush set", "id": 1, "weight": 2, "args": ["a"]})"),
            R"(cluster: osd crush set {"args":["a"],"id":1,"weight":2.0})");
}

TEST_F(CommandTableTest, UnknownWordsNameTheClosest) {
  Set(kCluster,
      {"osd tree", "osd pool ls", "osd stat name=x,type=CephInt,req=false", "pg stat", "df"});
  EXPECT_EQ(Words({"osd", "statsu"}),
            "no valid command found; 5 closest matches:\n"
            "osd stat [<x:int>]\nosd pool ls\nosd tree\ndf\npg stat");
  EXPECT_THAT(Words({"pgg", "stat"}),
              StartsWith("no valid command found; 5 closest matches:\npg stat\n"));
  EXPECT_THAT(Words({"osd", "pool"}),
              StartsWith("no valid command found; 5 closest matches:\nosd pool ls\n"));
  EXPECT_THAT(Words({}), StartsWith("no valid command found; 5 closest matches:"));
  Set(Module("m"), {"module disable", "module enable", "module ls"});
  EXPECT_THAT(Words({"moduel", "ls"}),
              StartsWith("no valid command found; 8 closest matches:\nmodule ls\nmodule "));
  EXPECT_THAT(Words({"moduel", "enabel"}),
              StartsWith("no valid command found; 8 closest matches:\nmodule enable\nmodule "));
  std::vector<std::string> many;
  many.reserve(30);
  for (int i = 0; i < 30; ++i) many.push_back(absl::StrCat("many c", i));
  Set(Module("many"), many);
  EXPECT_THAT(Words({"many", "x"}),
              StartsWith("no valid command found; 10 closest matches:\nmany"));
}

TEST_F(CommandTableTest, AnEmptyTableFindsNothing) {
  EXPECT_EQ(Words({"status"}), "no valid command found; 0 closest matches:");
  EXPECT_EQ(Json(R"({"prefix": "status"})"), "No handler found for 'status'");
  EXPECT_THAT(Listed("", true), IsEmpty());
  EXPECT_THAT(Completions({""}), IsEmpty());
}

TEST_F(CommandTableTest, FindsByJson) {
  Set(Module("noop"), {"noop", kNoopArgs});
  EXPECT_EQ(Json(R"({"prefix": "noop args", "who": "joe", "n": "5", "format": "json"})"),
            R"(module/noop: noop args {"format":"json","n":5,"who":"joe"})");
  EXPECT_EQ(Json(R"({"prefix": "noop args", "who": "joe", "n": 50})"),
            absl::StrCat("Invalid command: n: 50 not in range [0, 10]", kNoopUsage));
  EXPECT_EQ(Json("{oops"), "unparseable JSON {oops");
  EXPECT_EQ(Json(""), "unparseable JSON ");
  EXPECT_EQ(Json("[1]"), "not JSON object [1]");
  EXPECT_EQ(Json("{}"), "bad or missing field 'prefix'");
  EXPECT_EQ(Json(R"({"prefix": 7})"), "bad or missing field 'prefix'");
  EXPECT_EQ(Json(R"({"prefix": "nosuch"})"), "No handler found for 'nosuch'");
  EXPECT_EQ(Json(R"({"prefix": "noop arsg"})"),
            "No handler found for 'noop arsg'; nearest: noop args, noop");
  const std::string long_text = "[" + std::string(254, '1') + "\xc3\xb6]";
  EXPECT_EQ(Json(long_text), "unparseable JSON [" + std::string(254, '1') + "...");
}

TEST_F(CommandTableTest, ModulesMayNotShareAPrefix) {
  Set(Module("status"), {"osd status", "fs status"});
  absl::Status refused = table_.SetCommands(Module("other"), Declare({"other", "osd status"}));
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(refused.message(), "command \"osd status\" is already provided by module status");
  // All or nothing.
  EXPECT_THAT(Words({"other"}), StartsWith("no valid command found"));
  // Itself it may replace, whole.
  Set(Module("status"), {"osd status name=bucket,type=CephString,req=false"});
  EXPECT_THAT(Listed("", true), ElementsAre("module/status: osd status"));
  table_.RemoveCommands(Module("status"));
  Set(Module("other"), {"osd status"});
  EXPECT_EQ(Words({"osd", "status"}), "module/other: osd status {}");
}

TEST_F(CommandTableTest, TheManagersPrefixesAreItsOwn) {
  Set(kManager, {"module ls"});
  absl::Status refused = table_.SetCommands(Module("m"), Declare({"module ls"}));
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(refused.message(), "command \"module ls\" is already provided by the manager");
  Set(Module("m"), {"m do"});
  refused = table_.SetCommands(kManager, Declare({"m do"}));
  EXPECT_EQ(refused.message(), "command \"m do\" is already provided by module m");
}

TEST_F(CommandTableTest, RefusesBadDeclarations) {
  Set(Module("m"), {"old"});
  absl::Status refused = table_.SetCommands(Module("m"), Declare({"new", "x name=y,type=CephFoo"}));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      refused.message(),
      HasSubstr("signature \"x name=y,type=CephFoo\": \"name=y,type=CephFoo\": unknown type"));
  refused = table_.SetCommands(Module("m"), Declare({"osd/status"}));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("the word \"osd/status\""));
  refused = table_.SetCommands(Module("m"), Declare({"x y", "x y name=z,type=CephInt"}));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.message(), "command \"x y\" is declared twice by module m");
  EXPECT_EQ(Words({"old"}), "module/m: old {}");
}

TEST_F(CommandTableTest, TheClustersCommandsGiveWay) {
  Set(kCluster, {"osd status name=x,type=CephInt", "osd tree"});
  Set(Module("status"), {"osd status"});
  EXPECT_EQ(Words({"osd", "status"}), "module/status: osd status {}");
  // Hidden, even where its parameters would fit.
  EXPECT_THAT(Words({"osd", "status", "3"}),
              StartsWith("Invalid command: unused arguments: ['3']"));
  EXPECT_THAT(Listed("osd", true), ElementsAre("module/status: osd status", "cluster: osd tree"));
  EXPECT_THAT(Listed("osd", false), ElementsAre("module/status: osd status"));
  EXPECT_THAT(Listed("osd t", true), ElementsAre("cluster: osd tree"));
  // In either order; and it comes back.
  Set(kCluster, {"osd status name=x,type=CephInt"});
  EXPECT_EQ(Words({"osd", "status"}), "module/status: osd status {}");
  table_.RemoveCommands(Module("status"));
  EXPECT_EQ(Words({"osd", "status", "3"}), R"(cluster: osd status {"x":3})");
  table_.RemoveCommands(Module("status"));
  table_.RemoveCommands(kCluster);
  EXPECT_THAT(Listed("", true), IsEmpty());
}

TEST_F(CommandTableTest, WhatYieldsGivesWayToAModule) {
  const Provider manager{.kind = Provider::Kind::kManager, .module = ""};
  std::vector<Declaration> own = Declare({"progress", "progress json", "version"});
  own[0].yields = own[1].yields = true;
  Set(kCluster, {"progress"});
  ASSERT_TRUE(table_.SetCommands(manager, own).ok());
  EXPECT_EQ(Words({"progress"}), "manager: progress {}") << "it hides the cluster's";
  Set(Module("progress"), {"progress", "progress on"});
  EXPECT_THAT(Listed("progress", true),
              ElementsAre("module/progress: progress", "manager: progress json",
                          "module/progress: progress on"));
  // Of two modules, one; and what does not yield is the manager's alone.
  EXPECT_EQ(table_.SetCommands(Module("other"), Declare({"progress"})).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(table_.SetCommands(Module("other"), Declare({"version"})).code(),
            absl::StatusCode::kAlreadyExists);
  // In either order; and it comes back.
  ASSERT_TRUE(table_.SetCommands(manager, own).ok());
  EXPECT_EQ(Words({"progress"}), "module/progress: progress {}");
  table_.RemoveCommands(Module("progress"));
  EXPECT_EQ(Words({"progress"}), "manager: progress {}");
}

// However its providers came and went, a table is as one that knew none but those that are there.
TEST_F(CommandTableTest, NothingStaysOfWhatWas) {
  const std::vector<std::string> all = {"osd",
                                        "osd status",
                                        "osd pool ls name=x,type=CephInt,req=false",
                                        "osd pool ls detail",
                                        "status",
                                        "pg name=x,type=CephString,n=N",
                                        "progress",
                                        "progress json",
                                        "a b c d e f"};
  const std::vector<Provider> providers = {kCluster, kManager, Module("a"), Module("b"),
                                           Module("c")};
  absl::BitGen random;
  std::map<std::string, std::pair<Provider, std::vector<Declaration>>> present;
  int refused = 0;
  for (int round = 0; round < 500; ++round) {
    const Provider& provider = providers[absl::Uniform<size_t>(random, 0, providers.size())];
    std::vector<Declaration> declarations;
    for (const std::string& signature : all) {
      if (!absl::Bernoulli(random, 0.3)) continue;
      declarations.push_back(Declare({signature})[0]);
      declarations.back().yields = provider == kManager && absl::Bernoulli(random, 0.5);
      if (provider == kCluster && absl::Bernoulli(random, 0.3)) {
        declarations.push_back(Declare({"pg name=n,type=CephInt"})[0]);
      }
    }
    if (absl::Bernoulli(random, 0.3)) {
      table_.RemoveCommands(provider);
      present.erase(provider.ToString());
    } else if (table_.SetCommands(provider, declarations).ok()) {
      present[provider.ToString()] = {provider, declarations};
    } else {
      ++refused;
    }
    CommandTable fresh;
    for (const auto& [name, entry] : present) {
      ASSERT_TRUE(fresh.SetCommands(entry.first, entry.second).ok());
    }
    const auto show = [](const CommandTable& table) {
      std::vector<std::string> shown;
      for (const CommandPtr& command : table.List("", true)) {
        shown.push_back(absl::StrCat(command->provider.ToString(), ": ",
                                     command->declaration.signature, command->declaration.yields));
      }
      for (const std::vector<std::string>& words : {std::vector<std::string>{"osd", "status"},
                                                    {"osd", "pool", "ls", "1"},
                                                    {"pg", "1"},
                                                    {"progress", "json"},
                                                    {"stats"},
                                                    {"a", "b", "c", "d", "e", "f"},
                                                    {"a", "b", "c", "d"}}) {
        shown.push_back(Show(table.ResolveWords(words)));
      }
      for (const auto& candidate : table.Complete({"osd", ""})) shown.push_back(candidate.text);
      return shown;
    };
    ASSERT_EQ(show(table_), show(fresh)) << "round " << round;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(CommandTableTest, WhatIsProvidedAlreadyStaysAsItIs) {
  Set(Module("m"), {"m b", "m a"});
  const std::vector<CommandPtr> before = table_.List("m", false);
  Set(Module("m"), {"m b", "m a"});
  EXPECT_EQ(table_.List("m", false), before) << "the same objects";
  std::vector<Declaration> described = Declare({"m b", "m a"});
  described[1].description = "another one";
  ASSERT_TRUE(table_.SetCommands(Module("m"), described).ok());
  EXPECT_EQ(table_.List("m a", false)[0]->declaration.description, "another one");
  Set(Module("m"), {"m b"});
  EXPECT_THAT(Listed("m", false), ElementsAre("module/m: m b"));
  Set(Module("m"), {});
  EXPECT_THAT(Listed("m", false), IsEmpty());
}

TEST_F(CommandTableTest, AMatchOutlivesItsProvider) {
  Set(Module("m"), {"m do"});
  const absl::StatusOr<Match> match = table_.ResolveWords({"m", "do"});
  table_.RemoveCommands(Module("m"));
  ASSERT_TRUE(match.ok());
  EXPECT_EQ(match->command->declaration.description, "echo the parsed args");
  EXPECT_THAT(Words({"m", "do"}), StartsWith("no valid command found"));
}

TEST_F(CommandTableTest, Completes) {
  const std::string light =
      "osd light name=on,type=CephChoices,strings=on|off "
      "name=kind,type=CephChoices,strings=ident|fault,req=false "
      "name=dry_run,type=CephBool,req=false name=n,type=CephInt,req=false,range=0|3";
  Set(Module("m"), {"osd status", "osd", "osd-x", "osd stat", light});
  EXPECT_THAT(Completions({}), ElementsAre("osd", "osd-x"));
  EXPECT_THAT(Completions({"os"}), ElementsAre("osd", "osd-x"));
  EXPECT_THAT(Completions({"osd", "s"}), ElementsAre("stat", "status"));
  EXPECT_THAT(Completions({"osd s"}), ElementsAre("stat", "status"));
  EXPECT_THAT(Completions({"osd "}), ElementsAre("light", "stat", "status"));
  EXPECT_THAT(Completions({"osd", "light", "o"}), ElementsAre("on", "off"));
  EXPECT_THAT(Completions({"osd", "light", "on", ""}),
              ElementsAre("ident", "fault", "--kind", "--dry-run", "--n"));
  EXPECT_THAT(Completions({"osd", "light", "on", "--d"}), ElementsAre("--dry-run"));
  EXPECT_THAT(Completions({"osd", "light", "--dry-run", "on", "f"}), ElementsAre("fault"));
  EXPECT_THAT(Completions({"osd", "light", "on", "--kind", ""}), ElementsAre("ident", "fault"));
  EXPECT_THAT(Completions({"osd", "light", "on", "--kind=f"}), ElementsAre("--kind=fault"));
  EXPECT_THAT(Completions({"osd", "light", "blue", ""}), IsEmpty());
  EXPECT_THAT(Completions({"nosuch", ""}), IsEmpty());
  const auto candidates = table_.Complete({"osd", "light", "on", "--n"});
  ASSERT_EQ(candidates.size(), 1u);
  EXPECT_EQ(candidates[0].description, "<int[0-3]>");
  EXPECT_EQ(table_.Complete({"osd", "stat"})[0].description, "echo the parsed args");
}

TEST_F(CommandTableTest, CompletesValuesThatOthersKnow) {
  Set(Module("m"), {"pool show name=pool,type=CephPoolname name=how,type=CephChoices,strings=a|b",
                    "pool two name=first,type=CephPoolname name=second,type=CephString,req=false"});
  const auto texts = [&](const std::vector<std::string>& words) {
    std::vector<std::string> result;
    const auto known = [](const Command& command, const Param& param,
                          const std::vector<std::string>& given) {
      std::vector<CompletionCandidate> values = {{"rbd", "known"}};
      values.push_back({absl::StrCat(command.signature.prefix(), ".", param.name, ".",
                                     absl::StrJoin(given, ",")),
                        ""});
      return values;
    };
    for (const auto& candidate : table_.Complete(words, known)) result.push_back(candidate.text);
    return result;
  };
  EXPECT_THAT(texts({"pool", "show", "r"}), ElementsAre("rbd"));
  EXPECT_THAT(texts({"pool", "show", ""}),
              ElementsAre("rbd", "pool show.pool.", "--pool", "--how"));
  EXPECT_THAT(texts({"pool", "show", "--pool=r"}), ElementsAre("--pool=rbd"));
  EXPECT_THAT(texts({"pool", "show", "--pool", "rb"}), ElementsAre("rbd"));
  EXPECT_THAT(texts({"pool", "show", "rbd", ""}), ElementsAre("a", "b", "--how"));
  EXPECT_THAT(texts({"pool", "two", "rbd", "pool"}), ElementsAre("pool two.second.rbd"));
}

// Readers always see all of a provider's commands or none, while they are replaced.
TEST_F(CommandTableTest, ChangesAreAtomicToReaders) {
  Set(Module("m"), {"m a", "m b"});
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::atomic<int> seen[2] = {0, 0};
  std::vector<std::thread> readers;
  readers.reserve(2);
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&, i] {
      while (!stop) {
        const size_t count = table_.List("m ", false).size();
        torn += count != 0 && count != 2;
        ++seen[i];
        const absl::StatusOr<Match> match = table_.ResolveWords({"m", "a"});
        torn += match.ok() && match->command->signature.prefix() != "m a";
      }
    });
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  for (int round = 0; round < 300 || ((!seen[0] || !seen[1]) && absl::Now() < deadline); ++round) {
    table_.RemoveCommands(Module("m"));
    ASSERT_TRUE(table_.SetCommands(Module("m"), Declare({"m a", "m b"})).ok());
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_GT(seen[0], 0);
  EXPECT_GT(seen[1], 0);
}

TEST_F(CommandTableTest, LookupTime) {
  std::vector<std::string> signatures;
  signatures.reserve(400);
  for (int i = 0; i < 400; ++i) {
    signatures.push_back(
        absl::StrCat("group", i % 20, " command", i, " name=x,type=CephInt,req=false"));
  }
  Set(kCluster, signatures);
  constexpr int kRounds = 20000;
  const std::vector<std::string> words = {"group7", "command127", "5"};
  const absl::Time begin = absl::Now();
  for (int i = 0; i < kRounds; ++i) ASSERT_TRUE(table_.ResolveWords(words).ok());
  RecordProperty("resolve_words_ns",
                 static_cast<int>(absl::ToInt64Nanoseconds(absl::Now() - begin) / kRounds));
  std::cout << "ResolveWords among 400 commands: " << (absl::Now() - begin) / kRounds << "\n";
}

TEST(WithValidSignatures, OneBadOneDoesNotCostTheRest) {
  const std::vector<Declaration> kept =
      WithValidSignatures({{"osd set name=key,type=CephString", "", "rw"},
                           {"osd new name=x,type=CephQuark", "", "rw"}});
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].signature, "osd set name=key,type=CephString");
}

}  // namespace
}  // namespace outpost::command
