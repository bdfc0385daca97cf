#include "server/module/installed_modules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/store/sqlite/scratch_dir.h"

namespace outpost::module {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

class InstalledModulesTest : public testing::Test {
 protected:
  std::string Directory(const std::string& name, const std::string& file = "",
                        const std::string& text = "") {
    std::string path = scratch_.File(name);
    std::filesystem::create_directories(path);
    if (!file.empty()) std::ofstream(path + "/" + file) << text;
    return path;
  }
  // What is wrong with this manifest.
  std::string Problem(const std::string& manifest) {
    const std::string path = Directory("hello", "module.toml", manifest);
    const InstalledModule module = ReadModuleDirectory(path, {});
    EXPECT_EQ(module.name, "hello");
    const std::string prefix = path + "/module.toml";
    if (module.problem.rfind(prefix, 0) != 0) return module.problem;
    return module.problem.substr(prefix.size());
  }

  store::ScratchDir scratch_;
};

TEST_F(InstalledModulesTest, ADirectoryWithoutAModuleIsNone) {
  const std::string path = Directory("empty");
  EXPECT_EQ(ReadModuleDirectory(path, {}).problem,
            path + ": there is no module: no module.toml, no module.py");
  EXPECT_THAT(ReadModuleDirectory("/nonexistent", {}).problem, HasSubstr("there is no module"));
}

TEST_F(InstalledModulesTest, AManifestSaysHowToStartIt) {
  const std::string path = Directory("dir", "module.toml", R"(
      name = "hello_cpp"
      argv = ["./bin/../hello", "--fast", ""]
      [environment]
      GREETING = "hello = world"
  )");
  const InstalledModule module = ReadModuleDirectory(path, {});
  EXPECT_EQ(module.problem, "");
  EXPECT_EQ(module.name, "hello_cpp");
  EXPECT_EQ(module.directory, path);
  EXPECT_THAT(module.argv,
              ElementsAre(std::filesystem::path(path + "/hello").lexically_normal(), "--fast", ""));
  EXPECT_THAT(module.environment, ElementsAre(Pair("GREETING", "hello = world")));
}

TEST_F(InstalledModulesTest, AProgramWithoutASlashIsFoundByPathAndAnAbsoluteOneStays) {
  const std::string a = Directory("a", "module.toml", "argv = [\"python3\", \"./x.py\"]");
  EXPECT_THAT(ReadModuleDirectory(a, {}).argv, ElementsAre("python3", "./x.py"));
  const std::string b = Directory("b", "module.toml", "argv = [\"/bin/sh\"]");
  EXPECT_THAT(ReadModuleDirectory(b, {}).argv, ElementsAre("/bin/sh"));
  EXPECT_EQ(ReadModuleDirectory(b, {}).name, "b");
}

TEST_F(InstalledModulesTest, EveryMistakeIsNamed) {
  EXPECT_EQ(Problem(""), ": argv is missing; e.g. argv = [\"./my_module\"]");
  EXPECT_EQ(Problem("argv = []"), ": argv is missing; e.g. argv = [\"./my_module\"]");
  EXPECT_EQ(Problem("argv = [\"\"]"), ": argv is missing; e.g. argv = [\"./my_module\"]");
  EXPECT_EQ(Problem("argv = \"./x\""),
            ": argv must be an array of strings, e.g. [\"./my_module\"]");
  EXPECT_EQ(Problem("argv = [\"./x\", 3]"), ": argv must hold strings only");
  EXPECT_EQ(Problem("argv = [\"./x\"]\nname = 3"), ": name must be a string");
  EXPECT_EQ(Problem("argv = [\"./x\"]\nenvironment = \"A=b\""),
            ": environment must be a table of strings");
  EXPECT_EQ(Problem("argv = [\"./x\"]\n[environment]\nN = 3"), ": environment.N must be a string");
  EXPECT_EQ(Problem("argv = [\"./x\"]\n[environment]\n\"A=B\" = \"c\""),
            ": environment: \"A=B\" can't be the name of a variable");
  EXPECT_EQ(Problem("argv = [\"./x\"]\ncommand = \"./x\""),
            ": command is not one of name (a string), argv (an array of strings), caps (a string), "
            "environment (a table of strings), process (a table)");
  EXPECT_THAT(Problem("argv = [\n\"./x\"\nname ="), HasSubstr(" line 3: "));
  EXPECT_THAT(Problem("argv = [\"./x\"]\nname = \"no/slash\""),
              HasSubstr("module name \"no/slash\": a name is a letter"));
}

TEST_F(InstalledModulesTest, AManifestThatCannotBeReadIsNamedWithoutALine) {
  const std::string path = Directory("hello");
  std::filesystem::create_directory(path + "/module.toml");
  const InstalledModule module = ReadModuleDirectory(path, {});
  EXPECT_THAT(module.problem, HasSubstr(path + "/module.toml: "));
}

TEST_F(InstalledModulesTest, APythonModuleIsRunByTheSdk) {
  const std::string path = Directory("zabbix", "module.py", "");
  const InstalledModule module =
      ReadModuleDirectory(path, {.interpreter = "/opt/python", .sdk_directory = "/opt/sdk"});
  EXPECT_EQ(module.problem, "");
  EXPECT_EQ(module.name, "zabbix");
  EXPECT_THAT(module.argv, ElementsAre("/opt/python", "-m", "outpost.run", path));
  EXPECT_THAT(module.environment, ElementsAre(Pair("PYTHONPATH", "/opt/sdk")));
  EXPECT_THAT(ReadModuleDirectory(path, {}).environment, IsEmpty());
  EXPECT_THAT(ReadModuleDirectory(Directory("1st", "module.py"), {}).problem,
              HasSubstr("module name \"1st\""));
}

TEST_F(InstalledModulesTest, TheFirstDirectoryOfThePathWins) {
  Directory("a/one", "module.py");
  Directory("a/two", "module.toml", "argv = [\"./two\"]");
  Directory("a/no_module", "readme.txt", "nothing");
  std::ofstream(scratch_.File("a/file")) << "not a directory";
  Directory("b/two", "module.toml", "argv = [\"./other\"]");
  Directory("b/three", "module.toml", "nonsense");
  const auto installed =
      ModulePath({scratch_.File("nosuch"), scratch_.File("a"), scratch_.File("b")}, {}).Scan();
  ASSERT_THAT(installed, SizeIs(3));
  EXPECT_EQ(installed.at("two").directory, scratch_.File("a/two"));
  EXPECT_NE(installed.at("three").problem, "") << "a broken one is there, and says so";
  EXPECT_EQ(installed.count("one"), 1u);
  EXPECT_THAT(ModulePath({}, {}).Scan(), IsEmpty());
}

TEST(ModuleNameTest, Rules) {
  for (const std::string& good :
       {std::string("a"), std::string("hello_world-2"), std::string("Z9"), std::string(64, 'x')}) {
    EXPECT_TRUE(ValidateModuleName(good).ok()) << good;
  }
  for (const std::string& bad :
       {std::string(""), std::string("1a"), std::string("_a"), std::string("-a"),
        std::string("a b"), std::string("a/b"), std::string("a."), std::string("\xC3\xA4"),
        std::string("a\0b", 3), std::string(65, 'x'), std::string("manager"),
        std::string("cluster")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateModuleName(bad))) << bad;
  }
  EXPECT_EQ(ValidateModuleName("9").message(),
            "module name \"9\": a name is a letter, then letters, digits, '_' and '-', at most 64");
}

TEST_F(InstalledModulesTest, WhatHasChangedIsSeen) {
  const auto program = [&](const std::string& name) {
    Directory("path/one", "module.toml", "argv = [\"/bin/" + name + "\"]");
  };
  program("first");
  ModulePath path({scratch_.File("path")}, {});
  EXPECT_THAT(path.Scan().at("one").argv, ElementsAre("/bin/first"));
  EXPECT_THAT(path.Scan().at("one").argv, ElementsAre("/bin/first"));
  // At once, of the same length, and again.
  for (const std::string name : {"secnd", "third", "forth"}) {
    program(name);
    EXPECT_THAT(path.Scan().at("one").argv, ElementsAre("/bin/" + name));
  }
  // Back in time, as a package or rsync has it.
  std::filesystem::last_write_time(scratch_.File("path/one/module.toml"), {});
  program("fifth");
  std::filesystem::last_write_time(scratch_.File("path/one/module.toml"), {});
  EXPECT_THAT(path.Scan().at("one").argv, ElementsAre("/bin/fifth"));
  program("");  // a problem, and then none
  Directory("path/one", "module.toml", "argv = []");
  EXPECT_THAT(path.Scan().at("one").problem, HasSubstr("argv is missing"));
  Directory("path/one", "module.py", "");
  EXPECT_EQ(path.Scan().at("one").problem, "");
  std::filesystem::remove(scratch_.File("path/one/module.toml"));
  EXPECT_THAT(path.Scan().at("one").argv, testing::Contains("outpost.run"));
  std::filesystem::remove_all(scratch_.File("path/one"));
  EXPECT_THAT(path.Scan(), IsEmpty());
}

TEST_F(InstalledModulesTest, WhatHasNotChangedIsNotReadAgain) {
  for (const std::string name : {"path/one", "path/two"}) {
    Directory(name, "module.toml", "argv = [\"/bin/sh\"]");
  }
  Directory("path/broken", "module.toml", "argv = []");
  ModulePath path({scratch_.File("path")}, {});
  // Files of another tick of the clock.
  const absl::Time later = absl::Now() + absl::Seconds(10);
  EXPECT_THAT(path.Scan(later), SizeIs(3));
  EXPECT_EQ(path.reads(), 3);
  EXPECT_THAT(path.Scan(later), SizeIs(3));
  EXPECT_THAT(path.Scan(later).at("two").argv, ElementsAre("/bin/sh"));
  EXPECT_EQ(path.reads(), 3 + 2);  // the broken one
  Directory("path/one", "module.toml", "argv = [\"/bin/bash\"]");
  EXPECT_THAT(path.Scan(later).at("one").argv, ElementsAre("/bin/bash"));
  EXPECT_EQ(path.reads(), 5 + 2);
  // All are as new as the clock: it was set back, or they were written just now.
  path.Scan(later - absl::Hours(1));
  EXPECT_EQ(path.reads(), 7 + 3);
}

TEST_F(InstalledModulesTest, WhatHoldsNeedNotBeLookedAtAgain) {
  const std::string one = scratch_.File("path/one");
  const auto manifest = [&](const std::string& text) {
    Directory("path/one", "module.toml", text);
  };
  manifest("argv = [\"/bin/sh\"]");
  Directory("path/broken", "module.toml", "argv = []");
  ModulePath path({scratch_.File("path"), scratch_.File("none")}, {});
  const absl::Time later = absl::Now() + absl::Seconds(10);
  EXPECT_FALSE(path.Holds(one, later));  // nothing is known yet
  path.Scan(later);
  EXPECT_TRUE(path.Holds(one, later));
  EXPECT_FALSE(path.Holds(one));  // it was written just now, and may be again
  EXPECT_FALSE(path.Holds(scratch_.File("path/broken"), later));
  EXPECT_FALSE(path.Holds(scratch_.File("path/other"), later));

  manifest("argv = [\"/bin/bash\"]");
  EXPECT_FALSE(path.Holds(one, later));
  path.Scan(later);
  EXPECT_TRUE(path.Holds(one, later));
  Directory("path/another", "module.py", "");  // it may be of the same name
  EXPECT_FALSE(path.Holds(one, later));
  path.Scan(later);
  EXPECT_TRUE(path.Holds(one, later));
  std::filesystem::create_directory(scratch_.File("none"));
  EXPECT_FALSE(path.Holds(one, later));
}

}  // namespace
}  // namespace outpost::module
