#include "outpost/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "outpost/command.h"

namespace outpost {
namespace {

using ::testing::StartsWith;

CommandContext Asking(const std::string& format) {
  return CommandContext(std::make_shared<internal::CallState>(), "c", format, std::nullopt);
}

TEST(RenderTest, AsTheCallerAskedFor) {
  const Json data = {{"k", "\xff"}};
  const auto plain = [] { return std::string("a table"); };
  EXPECT_EQ(Render(Asking(""), data, plain).out, "a table");
  EXPECT_EQ(Render(Asking("plain"), data, plain).out, "a table");
  EXPECT_EQ(Render(Asking("plain"), data).out, "NAME  VALUE  \nk     \xff      ");
  EXPECT_EQ(Render(Asking("json"), data, plain).out, "{\"k\":\"\xEF\xBF\xBD\"}");
  EXPECT_EQ(Render(Asking("json-compact"), data, plain).out, "{\"k\":\"\xEF\xBF\xBD\"}");
  EXPECT_EQ(Render(Asking("json-pretty"), Json{{"k", 1}}).out, "{\n    \"k\": 1\n}");
  EXPECT_EQ(Render(Asking("yaml"), data, plain).out, "k: '?'\n");
  EXPECT_EQ(Render(Asking("xml"), data, plain).out, "<response><k>?</k></response>");
}

TEST(RenderTest, AnotherFormatIsRefusedByName) {
  const CommandResult result = Render(Asking("toml"), 1);
  EXPECT_EQ(result.retval, -EINVAL);
  EXPECT_EQ(result.err,
            "Unknown format name: toml (there are plain, json, json-compact, json-pretty, yaml, "
            "xml, xml-pretty)");
}

// What Python's yaml.safe_dump prints for the same values.
TEST(YamlTest, IsWhatPythonPrints) {
  const auto yaml = [](const Json& data) { return FormatData(Format::kYaml, data); };
  EXPECT_EQ(yaml(Json::parse(R"({"b": {"y": [1, {"p": null, "q": []}, "x"]}, "a": {}})")),
            "a: {}\nb:\n  y:\n  - 1\n  - p: null\n    q: []\n  - x\n");
  EXPECT_EQ(yaml({"yes", "1", "1.5", "a: b", "", "~", "2024-01-02", "1:30", "0x1f", "- x"}),
            "- 'yes'\n- '1'\n- '1.5'\n- 'a: b'\n- ''\n- '~'\n- '2024-01-02'\n- '1:30'\n- '0x1f'\n"
            "- '- x'\n");
  EXPECT_EQ(yaml({" lead", "tab\tx", "line\ntwo\n", "\xC3\xA9", "#no", "'q'", "\"d\"", "no one"}),
            "- ' lead'\n- \"tab\\tx\"\n- 'line\n\n  two\n\n  '\n- \"\\xE9\"\n- '#no'\n- '''q'''\n"
            "- '\"d\"'\n- no one\n");
  EXPECT_EQ(yaml({1.0, 1e16, 0.1, 1e-7, 18446744073709551615u, -3, true}),
            "- 1.0\n- 1.0e+16\n- 0.1\n- 1.0e-07\n- 18446744073709551615\n- -3\n- true\n");
  EXPECT_EQ(yaml({{"0", "k"}, {"null", 1}, {"true", 2}}), "'0': k\n'null': 1\n'true': 2\n");
  EXPECT_EQ(yaml(5), "5\n");
  EXPECT_EQ(yaml(Json::array()), "[]\n");
  EXPECT_EQ(yaml({{"long", std::string(80, 'x') + " and so on"}}),
            "long: " + std::string(80, 'x') + "\n  and so on\n");
}

TEST(YamlTest, TextsStayTexts) {
  const auto yaml = [](const Json& data) { return FormatData(Format::kYaml, data); };
  EXPECT_EQ(yaml({std::string(100, '7')}), absl::StrCat("- '", std::string(100, '7'), "'\n"));
  EXPECT_EQ(yaml({std::string(100000, 'n')}), absl::StrCat("- ", std::string(100000, 'n'), "\n"));
  EXPECT_EQ(yaml({std::numeric_limits<double>::infinity(), "-.inf", std::nan("")}),
            "- .inf\n- '-.inf'\n- .nan\n");
}

TEST(XmlTest, ElementsAreMembers) {
  const Json data = Json::parse(
      R"({"epoch": 3, "osds": [{"id": 0}, []], "2x": null, "ok": true, "a \"b": "<&\">", "o": {},
          "none": ""})");
  EXPECT_EQ(FormatData(Format::kXml, data),
            "<response><item name=\"2x\" /><item name=\"a &quot;b\">&lt;&amp;\"&gt;</item>"
            "<epoch>3</epoch><none /><o /><ok>true</ok>"
            "<osds><item><id>0</id></item><item /></osds></response>");
  EXPECT_EQ(FormatData(Format::kXmlPretty, Json{{"a", {1}}}),
            "<response>\n  <a>\n    <item>1</item>\n  </a>\n</response>");
  EXPECT_EQ(FormatData(Format::kXml, "a\x01\xff\tb\r\n"),
            "<response>a\xEF\xBF\xBD?\tb&#13;\n</response>");
}

// A value of the author's own.
struct Osd {
  int id = 0;
  std::string host;
};
void to_json(Json& json, const Osd& osd) { json = {{"id", osd.id}, {"host", osd.host}}; }

class ValueTest : public ::testing::Test {
 protected:
  CommandResult Run(const std::string& prefix, const std::string& format) {
    const CommandContext context(std::make_shared<internal::CallState>(), prefix, format,
                                 std::nullopt);
    return set_.Find(prefix)->handler(context, Json::object());
  }

  CommandSet set_;
};

TEST_F(ValueTest, HandlersReturnValues) {
  set_.Add("json").Handle([] { return Json{{"k", 1}}; });
  set_.Add("struct").Handle([] { return Osd{1, "h"}; });
  set_.Add("list").Handle(
      [](const CommandContext&) -> absl::StatusOr<std::vector<Osd>> {
        return std::vector<Osd>{{0, "a"}, {1, "b"}};
      },
      [](const std::vector<Osd>& osds) { return absl::StrCat(osds.size(), " OSDs"); });
  set_.Add("number").Handle([]() -> absl::StatusOr<int64_t> { return 7; });
  set_.Add("text").Handle([] { return "as it is"; });
  EXPECT_EQ(Run("json", "json").out, "{\"k\":1}");
  EXPECT_EQ(Run("json", "").out, "NAME  VALUE  \nk     1      ");
  EXPECT_EQ(Run("struct", "yaml").out, "host: h\nid: 1\n");
  EXPECT_EQ(Run("list", "json").out, R"([{"host":"a","id":0},{"host":"b","id":1}])");
  EXPECT_EQ(Run("list", "").out, "2 OSDs");
  EXPECT_EQ(Run("list", "plain").out, "2 OSDs");
  EXPECT_EQ(Run("number", "xml").out, "<response>7</response>");
  EXPECT_EQ(Run("text", "json").out, "as it is");
}

TEST_F(ValueTest, ErrorsAreErrorsInEveryFormat) {
  set_.Add("c").Handle([]() -> absl::StatusOr<Json> { return absl::NotFoundError("no such"); });
  for (const char* format : {"", "json", "yaml", "xml"}) {
    EXPECT_EQ(Run("c", format).retval, -ENOENT);
    EXPECT_EQ(Run("c", format).err, "no such");
    EXPECT_EQ(Run("c", format).out, "");
  }
}

TEST_F(ValueTest, AFormatThatThereIsNotIsRefusedBeforeAnythingIsDone) {
  bool ran = false;
  set_.Add("c").Handle([&ran] {
    ran = true;
    return Json(1);
  });
  EXPECT_EQ(Run("c", "jsn").retval, -EINVAL);
  EXPECT_THAT(Run("c", "jsn").err, StartsWith("Unknown format name: jsn"));
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace outpost
