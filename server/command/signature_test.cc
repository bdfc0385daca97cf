#include "server/command/signature.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace outpost::command {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kNoopArgs[] =
    "noop args name=who,type=CephString name=n,type=CephInt,range=0|10 "
    "name=f,type=CephFloat,req=false name=c,type=CephChoices,strings=red|green,req=false "
    "name=b,type=CephBool,req=false name=many,type=CephString,n=N,req=false";

Signature Parsed(absl::string_view text) {
  auto signature = Signature::Parse(text);
  EXPECT_TRUE(signature.ok()) << signature.status();
  return *std::move(signature);
}

std::string FaultOf(absl::string_view text) {
  const auto signature = Signature::Parse(text);
  return signature.ok() ? "" : std::string(signature.status().message());
}

// The values as JSON text, or the message.
std::string Words(absl::string_view signature, const std::vector<std::string>& args) {
  const auto values = Parsed(signature).ParseWords(args);
  if (values.ok()) return values->dump();
  EXPECT_EQ(values.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(values.status().message());
}

std::string Object(absl::string_view signature, const json& object) {
  const auto values = Parsed(signature).CheckObject(object);
  if (values.ok()) return values->dump();
  EXPECT_EQ(values.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(values.status().message());
}

TEST(SignatureParseTest, ReadsWordsAndParameters) {
  const Signature signature = Parsed(kNoopArgs);
  EXPECT_EQ(signature.prefix(), "noop args");
  EXPECT_THAT(signature.words(), ElementsAre("noop", "args"));
  ASSERT_EQ(signature.params().size(), 6u);
  const Param& n = signature.params()[1];
  EXPECT_EQ(n.name, "n");
  EXPECT_TRUE(n.is("CephInt"));
  EXPECT_TRUE(n.required);
  EXPECT_EQ(n.int_range.min, 0);
  EXPECT_EQ(n.int_range.max, 10);
  EXPECT_THAT(signature.params()[3].choices, ElementsAre("red", "green"));
  EXPECT_FALSE(signature.params()[5].required);
  EXPECT_TRUE(signature.params()[5].repeated);
}

TEST(SignatureParseTest, TakesWhatCephsOwnSignaturesHave) {
  // Newlines and tabs from continued string literals; a slip in req; a comma at the end; commas
  // where bars were meant.
  const Signature signature = Parsed(
      " a  b\n\tname=x,type=CephString,req=fasle name=y,type=CephString, "
      "name=z,type=CephChoices,strings=e,warn,info");
  EXPECT_EQ(signature.prefix(), "a b");
  EXPECT_FALSE(signature.params()[0].required);
  EXPECT_TRUE(signature.params()[1].required);
  EXPECT_THAT(signature.params()[2].choices, ElementsAre("e"));
}

TEST(SignatureParseTest, CommaInsideACharacterClass) {
  const Signature signature = Parsed("a name=x,type=CephString,goodchars=[a-c,],req=false");
  EXPECT_EQ(signature.params()[0].goodchars, "[a-c,]");
  EXPECT_FALSE(signature.params()[0].required);
}

TEST(SignatureParseTest, NamesTheSignatureAndTheFault) {
  EXPECT_EQ(FaultOf("a name=x,type=CephStrin"),
            "signature \"a name=x,type=CephStrin\": \"name=x,type=CephStrin\": unknown type "
            "CephStrin; nearest: CephString");
  EXPECT_THAT(FaultOf(""), HasSubstr("no literal word"));
  EXPECT_THAT(FaultOf("name=x,type=CephInt"), HasSubstr("no literal word"));
  EXPECT_THAT(FaultOf("osd/status"), HasSubstr("the word \"osd/status\" may have"));
  EXPECT_THAT(FaultOf("-osd"), HasSubstr("the word \"-osd\" may have"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt b"), HasSubstr("\"b\" stands after a parameter"));
  EXPECT_THAT(FaultOf("a name=x"), HasSubstr("it has no type"));
  EXPECT_THAT(FaultOf("a type=CephInt"), HasSubstr("its name must be"));
  EXPECT_THAT(FaultOf("a name=x.y,type=CephInt"), HasSubstr("its name must be"));
  EXPECT_THAT(FaultOf("a name=prefix,type=CephInt"), HasSubstr("cannot be called prefix"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt name=x,type=CephInt"),
              HasSubstr("two parameters are called x"));
  EXPECT_THAT(FaultOf("a name=x,name=y,type=CephInt"), HasSubstr("the key name stands twice"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,n=0"), HasSubstr("n=0 is neither"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,n=many"), HasSubstr("n=many is neither"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,range=a|b"), HasSubstr("\"a\" is not a number"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,range=1|2|3"), HasSubstr("more than a minimum"));
  EXPECT_THAT(FaultOf("a name=x,type=CephFloat,range=2|1"), HasSubstr("range 2|1 is empty"));
  EXPECT_THAT(FaultOf("a name=x,type=CephString,range=1|2"), HasSubstr("range means nothing"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,strings=a"), HasSubstr("strings means nothing"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,prefix=a"), HasSubstr("prefix means nothing"));
  EXPECT_THAT(FaultOf("a name=x,type=CephString,goodchars=[a"), HasSubstr("not a character class"));
  EXPECT_THAT(FaultOf("a name=x,type=CephChoices"), HasSubstr("wants strings"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,default=3"), HasSubstr("unknown key default"));
  EXPECT_THAT(FaultOf("a name=x,type=CephInt,positional=maybe"),
              HasSubstr("neither true nor false"));
  EXPECT_THAT(FaultOf("a -- name=x-y,type=CephInt"), HasSubstr("_ for each -"));
}

TEST(SignatureUsageTest, IsCephs) {
  EXPECT_EQ(Parsed(kNoopArgs).Usage(),
            "noop args <who> <n:int> [<f:float>] [red|green] [--b] [<many>...]");
  EXPECT_EQ(Parsed("osd find name=id,type=CephOsdName").Usage(), "osd find <id|osd.id>");
  EXPECT_EQ(Parsed("tell name=target,type=CephName").Usage(), "tell <type.id>");
  EXPECT_EQ(Parsed("x name=format,type=CephChoices,strings=json|plain,req=false").Usage(),
            "x [--format {json|plain}]");
  EXPECT_EQ(Parsed("x name=yes_i_mean_it,type=CephBool,req=false").Usage(), "x [--yes-i-mean-it]");
  EXPECT_EQ(Parsed("x name=p,type=CephPrefix,prefix=now").Usage(), "x now");
  EXPECT_EQ(Parsed("x name=a,type=CephInt -- name=b,type=CephInt,req=false "
                   "name=c,type=CephString,n=N name=d,type=CephChoices,strings=p|q "
                   "name=e,type=CephOsdName,req=false name=f,type=CephFloat,positional=true")
                .Usage(),
            "x <a:int> [--b <int>] --c <value>... --d {p|q} [--e <id|osd.id>] <f:float>");
}

TEST(ParseWordsTest, ByPositionAndTyped) {
  EXPECT_EQ(Words(kNoopArgs, {"joe", "5"}), R"({"n":5,"who":"joe"})");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "5", "1.5", "red", "true", "x", "y"}),
            R"({"b":true,"c":"red","f":1.5,"many":["x","y"],"n":5,"who":"joe"})");
  EXPECT_EQ(Words("x", {}), "{}");
}

TEST(ParseWordsTest, ByName) {
  EXPECT_EQ(Words(kNoopArgs, {"--who", "joe", "--n=5", "--b"}), R"({"b":true,"n":5,"who":"joe"})");
  EXPECT_EQ(Words(kNoopArgs, {"--b=false", "joe", "5"}), R"({"b":false,"n":5,"who":"joe"})");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "5", "--many=a,b", "--many", "c"}),
            R"({"many":["a","b","c"],"n":5,"who":"joe"})");
  const char* dashes = "x name=dry_run,type=CephBool,req=false name=end_at,type=CephInt,req=false";
  EXPECT_EQ(Words(dashes, {"--dry-run", "--end-at=3"}), R"({"dry_run":true,"end_at":3})");
  EXPECT_EQ(Words(dashes, {"--dry_run", "--end_at", "3"}), R"({"dry_run":true,"end_at":3})");
  // A value may hold an equals sign, and lines.
  EXPECT_EQ(Words("x name=s,type=CephString", {"--s=a=b\nc"}), R"({"s":"a=b\nc"})");
}

TEST(ParseWordsTest, FaultsAreCephs) {
  EXPECT_EQ(Words(kNoopArgs, {}), "Invalid command: missing required parameter who(<string>)");
  EXPECT_EQ(Words(kNoopArgs, {"joe"}),
            "Invalid command: missing required parameter n(<int[0-10]>)");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "notanint"}),
            "Invalid command: notanint doesn't represent an int");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "11"}), "Invalid command: 11 not in range [0, 10]");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "5", "--nosuch"}),
            "Invalid command: Unexpected argument '--nosuch'");
  EXPECT_EQ(Words("noop", {"nosuch"}), "Invalid command: unused arguments: ['nosuch']");
  EXPECT_EQ(Words("x name=a,type=CephInt,req=false", {"y"}),
            "y not valid:  y doesn't represent an int\nInvalid command: unused arguments: ['y']");
  // The note goes when another parameter took the word.
  EXPECT_EQ(Words("x name=a,type=CephInt,req=false name=b,type=CephString,req=false", {"y", "z"}),
            "Invalid command: unused arguments: ['z']");
  EXPECT_EQ(Words("x name=a,type=CephInt,range=1", {"0"}), "Invalid command: 0 not in range [1]");
  EXPECT_EQ(Words("x name=a,type=CephFloat,range=0|1", {"2"}),
            "Invalid command: 2.0 not in range [0.0, 1.0]");
  EXPECT_EQ(Words("x name=a,type=CephString,n=N", {}),
            "Invalid command: saw 0 of a(<string>)..., expected at least 1");
  EXPECT_EQ(Words("x name=a,type=CephString,goodchars=[a-z]", {"aB"}),
            "Invalid command: invalid chars B in aB");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "--n", "11"}), "Invalid command: 11 not in range [0, 10]");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "--n"}), "Invalid command: Unexpected argument '--n'");
}

TEST(ParseWordsTest, AnOptionalParameterPassesOnWhatItDislikes) {
  EXPECT_EQ(Words(kNoopArgs, {"joe", "5", "green"}), R"({"c":"green","n":5,"who":"joe"})");
  EXPECT_EQ(Words(kNoopArgs, {"joe", "5", "blue"}), R"({"many":["blue"],"n":5,"who":"joe"})");
}

TEST(ParseWordsTest, ABadChoiceThatNothingTakesIsNamed) {
  const char* signature =
      "x name=c,type=CephChoices,strings=red|green,req=false name=n,type=CephInt,req=false";
  EXPECT_EQ(Words(signature, {"blue"}), "Invalid command: blue not in red|green");
  EXPECT_EQ(Words(signature, {"7"}), R"({"n":7})");
  EXPECT_EQ(Words(signature, {"--blue"}), "Invalid command: Unexpected argument '--blue'");
  EXPECT_EQ(Words("x name=c,type=CephChoices,strings=red|green", {"blue"}),
            "Invalid command: blue not in red|green");
}

TEST(ParseWordsTest, RepeatedParameters) {
  const char* ints = "x name=a,type=CephInt,n=N name=b,type=CephString,req=false";
  EXPECT_EQ(Words(ints, {"1,2", "3"}), R"({"a":[1,2,3]})");
  EXPECT_EQ(Words(ints, {"1", "y"}), "Invalid command: y doesn't represent an int");
  EXPECT_EQ(Words("x name=a,type=CephString,n=N", {"1,2", "3"}), R"({"a":["1,2","3"]})");
}

TEST(ParseWordsTest, CountedParametersAreArrays) {
  const char* pair = "x name=a,type=CephInt,n=2 name=b,type=CephString,req=false";
  EXPECT_EQ(Words(pair, {"1", "2", "y"}), R"({"a":[1,2],"b":"y"})");
  EXPECT_EQ(Words(pair, {"--a", "1", "2"}), R"({"a":[1,2]})");
  EXPECT_EQ(Words(pair, {}), "Invalid command: saw 0 of a(<int>), expected 2");
  EXPECT_EQ(Words(pair, {"1"}), "Invalid command: saw 1 of a(<int>), expected 2");
}

TEST(ParseWordsTest, NonPositionalParametersWantTheirNames) {
  const char* signature =
      "x name=a,type=CephString,req=false -- name=b,type=CephInt name=c,type=CephBool,req=false";
  EXPECT_EQ(Words(signature, {"y", "--b=1", "--c"}), R"({"a":"y","b":1,"c":true})");
  EXPECT_EQ(Words(signature, {"--c", "--b", "1", "y"}), R"({"a":"y","b":1,"c":true})");
  EXPECT_EQ(Words(signature, {"y", "1"}), "Invalid command: missing required parameter b(<int>)");
  EXPECT_EQ(Words(signature, {"y", "--b=1", "z"}), "Invalid command: unused arguments: ['z']");
  EXPECT_EQ(Words(signature, {"y", "--d"}), "Invalid command: Unexpected argument '--d'");
}

TEST(ParseWordsTest, ConfirmationsMayBeValues) {
  const char* old = "osd pool rm name=pool,type=CephPoolname name=sure,type=CephString,req=false";
  EXPECT_EQ(Words(old, {"p", "--yes-i-really-really-mean-it"}),
            R"({"pool":"p","sure":"--yes-i-really-really-mean-it"})");
  EXPECT_EQ(Words(old, {"p", "--yes"}), "Invalid command: Unexpected argument '--yes'");
  EXPECT_EQ(Words("mgr enable name=f,type=CephChoices,strings=--force,req=false", {"--force"}),
            R"({"f":"--force"})");
  EXPECT_EQ(Words("injectargs name=a,type=CephString,n=N", {"--debug-osd", "20"}),
            R"({"a":["--debug-osd","20"]})");
}

TEST(CheckObjectTest, TypesTheValues) {
  EXPECT_EQ(
      Object(kNoopArgs, {{"prefix", "noop args"}, {"who", 7}, {"n", "5"}, {"f", 2}, {"b", "true"}}),
      R"({"b":true,"f":2.0,"n":5,"who":"7"})");
  EXPECT_EQ(Object(kNoopArgs, {{"who", true}, {"n", 5.0}, {"f", nullptr}, {"b", 0}, {"many", "x"}}),
            R"({"b":false,"many":["x"],"n":5,"who":"true"})");
  EXPECT_EQ(Object(kNoopArgs, {{"who", "a"}, {"n", 5}, {"many", {"x", 1}}}),
            R"({"many":["x","1"],"n":5,"who":"a"})");
  EXPECT_EQ(Object("osd find name=id,type=CephOsdName", {{"id", 3}}), R"({"id":3})");
  EXPECT_EQ(Object("x name=f,type=CephFloat", {{"f", 0.1}}), R"({"f":0.1})");
}

TEST(CheckObjectTest, PassesWhatEveryCommandTakes) {
  EXPECT_EQ(Object("x", {{"format", "json"}, {"target", {"mon-mgr", ""}}, {"width", 80}}),
            R"({"format":"json","target":["mon-mgr",""],"width":80})");
  // A parameter of that name is checked as declared.
  EXPECT_EQ(Object("x name=format,type=CephChoices,strings=a|b", {{"format", "json"}}),
            "Invalid command: format: json not in a|b");
}

TEST(CheckObjectTest, Faults) {
  EXPECT_EQ(Object(kNoopArgs, {{"who", "a"}}),
            "Invalid command: missing required parameter n(<int[0-10]>)");
  EXPECT_EQ(Object(kNoopArgs, {{"who", nullptr}, {"n", 1}}),
            "Invalid command: missing required parameter who(<string>)");
  EXPECT_EQ(Object(kNoopArgs, {{"who", "a"}, {"n", 50}}),
            "Invalid command: n: 50 not in range [0, 10]");
  EXPECT_EQ(Object(kNoopArgs, {{"who", "a"}, {"n", "zz"}}),
            "Invalid command: n: zz doesn't represent an int");
  EXPECT_EQ(Object(kNoopArgs, {{"who", "a"}, {"n", 5.5}}),
            "Invalid command: n: 5.5 doesn't represent an int");
  EXPECT_EQ(Object(kNoopArgs, {{"who", "a"}, {"n", true}}),
            "Invalid command: n: true doesn't represent an int");
  EXPECT_EQ(Object(kNoopArgs, {{"who", "a"}, {"n", 1}, {"c", "blue"}}),
            "Invalid command: c: blue not in red|green");
  EXPECT_EQ(Object(kNoopArgs, {{"who", {{"a", 1}}}, {"n", 1}}),
            "Invalid command: JSON array/object not allowed {\"a\":1} for who(<string>)");
  EXPECT_EQ(Object(kNoopArgs, {{"who", {"a"}}, {"n", 1}}),
            "Invalid command: JSON array/object not allowed [\"a\"] for who(<string>)");
  EXPECT_THAT(Object(kNoopArgs, {{"who", "a"}, {"n", 1}, {"many", {json::object()}}}),
              HasSubstr("JSON array/object not allowed {}"));
  EXPECT_EQ(Object("x name=pool_name,type=CephString,req=false", {{"pool_nmae", 1}}),
            "Invalid command: unknown parameter \"pool_nmae\"; nearest: pool_name");
  EXPECT_EQ(Object("x name=a,type=CephInt name=b,type=CephInt", {{"zzzzzz", 1}}),
            "Invalid command: unknown parameter \"zzzzzz\"; its parameters: a, b");
  EXPECT_EQ(Object("x", {{"y", 1}}),
            "Invalid command: unknown parameter \"y\"; the command takes no parameters");
  EXPECT_EQ(Object("x name=a,type=CephInt,n=N", {{"a", json::array()}}),
            "Invalid command: saw 0 of a(<int>)..., expected at least 1");
  EXPECT_EQ(Object("x name=a,type=CephInt,n=2", {{"a", {1}}}),
            "Invalid command: saw 1 of a(<int>), expected 2");
  EXPECT_EQ(Object("x", json::array()), "Invalid command: not JSON object []");
}

std::vector<std::string> NamesOf(const std::vector<const Param*>& params) {
  std::vector<std::string> names;
  names.reserve(params.size());
  for (const Param* param : params) names.push_back(param->name);
  return names;
}

TEST(ExpectAfterTest, TellsWhatMayFollow) {
  const Signature signature = Parsed(kNoopArgs);
  EXPECT_THAT(NamesOf(signature.ExpectAfter({}).positional), ElementsAre("who"));
  EXPECT_THAT(NamesOf(signature.ExpectAfter({"joe"}).positional), ElementsAre("n"));
  EXPECT_THAT(NamesOf(signature.ExpectAfter({"joe", "5"}).positional),
              ElementsAre("f", "c", "b", "many"));
  EXPECT_THAT(NamesOf(signature.ExpectAfter({"joe", "5", "--b"}).named),
              ElementsAre("f", "c", "many"));
  EXPECT_THAT(NamesOf(signature.ExpectAfter({"joe", "5", "red"}).positional),
              ElementsAre("b", "many"));
  EXPECT_THAT(NamesOf(signature.ExpectAfter({"joe", "bad"}).positional), IsEmpty());
  const auto dangling = signature.ExpectAfter({"joe", "5", "--c"});
  ASSERT_NE(dangling.value_of, nullptr);
  EXPECT_EQ(dangling.value_of->name, "c");
}

TEST(CountMatchedTest, CountsRequiredParameters) {
  EXPECT_EQ(Parsed(kNoopArgs).CountMatched({}), 0u);
  EXPECT_EQ(Parsed(kNoopArgs).CountMatched({"joe", "x"}), 1u);
  EXPECT_EQ(Parsed(kNoopArgs).CountMatched({"joe", "5", "x"}), 2u);
  EXPECT_EQ(Parsed("x name=a,type=CephInt,n=N").CountMatched({"1", "2"}), 1u);
}

}  // namespace
}  // namespace outpost::command
