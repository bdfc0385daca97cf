#include "server/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "server/store/sqlite/scratch_dir.h"

namespace outpost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class SettingsTest : public testing::Test {
 protected:
  absl::StatusOr<Invocation> Parse(const std::vector<std::string>& flags) {
    std::vector<const char*> argv = {"outpostd"};
    for (const std::string& flag : flags) argv.push_back(flag.c_str());
    return ParseSettings(static_cast<int>(argv.size()), argv.data(), "outpost 1.2.3");
  }
  Settings Good(const std::vector<std::string>& flags) {
    const auto invocation = Parse(flags);
    EXPECT_TRUE(invocation.ok()) << invocation.status();
    return invocation.ok() ? invocation->settings : Settings();
  }
  std::string Error(const std::vector<std::string>& flags) {
    const auto invocation = Parse(flags);
    EXPECT_TRUE(absl::IsInvalidArgument(invocation.status())) << invocation.status();
    return std::string(invocation.status().message());
  }
  // What is wrong with a file of this text; the file's name is cut off.
  std::string FileError(const std::string& text) {
    const std::string error = Error({"-c", File(text)});
    EXPECT_EQ(error.rfind(path_, 0), 0u) << error;
    return error.substr(error.rfind(path_, 0) == 0 ? path_.size() : 0);
  }
  std::string File(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }

  store::ScratchDir scratch_;
  const std::string path_ = scratch_.File("outpostd.toml");
};

TEST_F(SettingsTest, Defaults) {
  const Settings s = Good({});
  EXPECT_EQ(s.id, "x");
  EXPECT_EQ(s.data_dir, "/var/lib/outpost");
  EXPECT_EQ(s.run_dir, "/run/outpost");
  EXPECT_EQ(s.source, "sim");
  EXPECT_EQ(s.sim_osds, 3);
  EXPECT_EQ(s.ready_timeout, 30);
  EXPECT_EQ(s.shutdown_grace, 5);
  EXPECT_THAT(s.log_levels, ElementsAre("info"));
  EXPECT_THAT(s.module_path, ElementsAre("/usr/share/outpost/modules"));
  EXPECT_THAT(s.plaintext_tcp, IsEmpty());
  EXPECT_THAT(s.initial_modules, IsEmpty());
  EXPECT_THAT(s.options, IsEmpty());
}

TEST_F(SettingsTest, FlagsAreRead) {
  const Settings s = Good({"--id=a", "--data-dir", "/d", "--module-path", "/m1", "--module-path",
                           "/m2", "--initial-modules", "one,two", "--log-level", "warning",
                           "--log-level", "rpc=debug", "--sim-seed", "18446744073709551615",
                           "--shutdown-grace", "0.5", "--listen-plaintext-tcp", "[::1]:0"});
  EXPECT_EQ(s.id, "a");
  EXPECT_EQ(s.data_dir, "/d");
  EXPECT_THAT(s.module_path, ElementsAre("/m1", "/m2"));
  EXPECT_THAT(s.initial_modules, ElementsAre("one", "two"));
  EXPECT_THAT(s.log_levels, ElementsAre("warning", "rpc=debug"));
  EXPECT_EQ(s.sim_seed, 18446744073709551615u);
  EXPECT_EQ(s.shutdown_grace, 0.5);
  EXPECT_THAT(s.plaintext_tcp, ElementsAre("[::1]:0"));
}

TEST_F(SettingsTest, AFileHasTheSameNamesAndFlagsWin) {
  const std::string file = File(R"(
      id = "from_file"
      data-dir = "/file"
      sim-osds = 7
      sim-speed = 2.5
      module-path = ["/m1", "/m2"]
      initial-modules = ["one", "two"]
      log-level = "error"
      [options]
      "mgr/hello/emphatic" = true
      "mgr/hello/place" = "Paris"
      "mgr/hello/n" = 3
      "mgr/hello/f" = 1234567.125
  )");
  const Settings s = Good({"--config", file, "--data-dir", "/flag", "--module-path", "/m3"});
  EXPECT_EQ(s.id, "from_file");
  EXPECT_EQ(s.data_dir, "/flag");
  EXPECT_EQ(s.sim_osds, 7);
  EXPECT_EQ(s.sim_speed, 2.5);
  EXPECT_THAT(s.module_path, ElementsAre("/m3")) << "a list wins as a whole";
  EXPECT_THAT(s.initial_modules, ElementsAre("one", "two"));
  EXPECT_THAT(s.log_levels, ElementsAre("error"));
  EXPECT_THAT(s.options, UnorderedElementsAre(
                             Pair("mgr/hello/emphatic", "true"), Pair("mgr/hello/place", "Paris"),
                             Pair("mgr/hello/n", "3"), Pair("mgr/hello/f", "1234567.125")));
  EXPECT_THAT(Good({"-c", File("module-path = ['/m1', '/m2']")}).module_path,
              ElementsAre("/m1", "/m2"));
}

TEST_F(SettingsTest, AnUnknownFlagNamesTheNearest) {
  EXPECT_EQ(Error({"--data-dri", "/d"}),
            "there is no flag \"--data-dri\"; did you mean --data-dir? (outpostd --help)");
  EXPECT_EQ(Error({"--sim-osd=3"}),
            "there is no flag \"--sim-osd\"; did you mean --sim-osds? (outpostd --help)");
  EXPECT_EQ(Error({"--zzzzzzzzzzzzz"}), "there is no flag \"--zzzzzzzzzzzzz\" (outpostd --help)");
  EXPECT_EQ(Error({"start"}), "\"start\" belongs to no flag (outpostd --help)");
}

TEST_F(SettingsTest, ABadValueOfAFlagIsNamed) {
  EXPECT_THAT(Error({"--sim-osds", "many"}), HasSubstr("--sim-osds"));
  EXPECT_THAT(Error({"--sim-osds", "many"}), HasSubstr("many"));
  EXPECT_THAT(Error({"--ready-timeout", "0"}), HasSubstr("--ready-timeout"));
  EXPECT_THAT(Error({"--ready-timeout", "-1"}), HasSubstr("--ready-timeout"));
  EXPECT_THAT(Error({"--data-dir"}), HasSubstr("--data-dir"));
  EXPECT_EQ(Error({"--sim-osds", "0"}), "--sim-osds 0 is not between 1 and 10000");
  EXPECT_EQ(Error({"--sim-speed", "-1"}), "--sim-speed -1 is negative");
  EXPECT_EQ(Error({"--source", "etcd"}), "--source \"etcd\" is not one of sim, ceph, report");
  EXPECT_EQ(Error({"--report-lease", "9"}),
            "--report-lease 9 is not at least twice --report-interval 5");
  EXPECT_EQ(Error({"--report-drop-after", "15"}),
            "--report-drop-after 15 is not greater than --report-lease 15");
  EXPECT_EQ(Error({"--report-min-priority", "11"}),
            "--report-min-priority 11 is not between 0 and 10");
  EXPECT_EQ(Error({"--max-streams", "0"}), "--max-streams 0 is less than 1");
  EXPECT_EQ(Error({"--max-message-mib", "2000"}),
            "--max-message-mib 2000 is not between 1 and 1024");
  EXPECT_EQ(Error({"--dead-peer-timeout", "1"}),
            "--dead-peer-timeout 1 is not between 4 and 86400 seconds");
  EXPECT_EQ(Error({"--slow-reader-timeout", "-1"}),
            "--slow-reader-timeout -1 is not a number of seconds greater than 0");
  EXPECT_EQ(Error({"--report-max-lag", "0"}),
            "--report-max-lag 0 is not a number of seconds greater than 0");
  EXPECT_EQ(Error({"--report-max-daemons", "0"}), "--report-max-daemons 0 is less than 1");
  EXPECT_EQ(Error({"--max-starting", "-1"}), "--max-starting -1 is less than 0");
  EXPECT_EQ(Error({"--starts-per-second", "0.01"}),
            "--starts-per-second 0.01 is neither 0 nor at least 0.1");
  EXPECT_EQ(Error({"--starts-per-second", "nan"}),
            "--starts-per-second nan is neither 0 nor at least 0.1");
  EXPECT_EQ(Error({"--id", "a/b"}), "--id \"a/b\": a manager's name is not empty and has no slash");
  EXPECT_THAT(Error({"--id", ""}), HasSubstr("--id \"\""));
}

TEST_F(SettingsTest, AnUnknownKeyNamesFileLineAndTheNearest) {
  EXPECT_EQ(FileError("\nid = 'a'\ndata-dri = '/d'\n"),
            " line 3: there is no setting \"data-dri\"; did you mean data-dir?");
  EXPECT_EQ(FileError("data_dir = '/d'"),
            " line 1: there is no setting \"data_dir\"; did you mean data-dir?");
  EXPECT_EQ(FileError("config = 'x'"), " line 1: there is no setting \"config\"");
  EXPECT_EQ(FileError("[module]\nx = 1"),
            " line 1: there is no setting \"module\"; did you mean modules?");
}

TEST_F(SettingsTest, AWrongTypeNamesFileAndLine) {
  EXPECT_THAT(FileError("id = 'a'\nsim-osds = 'many'"), HasSubstr(" line 2: "));
  EXPECT_THAT(FileError("sim-osds = 'many'"), HasSubstr("sim-osds"));
  EXPECT_EQ(FileError("id = 1979-05-27"),
            " line 1: id must be a string, a number, a boolean, or a list of strings");
  EXPECT_EQ(FileError("module-path = [['a']]"), " line 1: module-path must be a list of strings");
  EXPECT_THAT(FileError("id = ['a', 'b']"), HasSubstr(" line 1: "));
  EXPECT_THAT(FileError("sim-osds = [1, 2]"), HasSubstr(" line 1: "));
  EXPECT_EQ(Error({"-c", File("ready-timeout = 0")}),
            "--ready-timeout 0 is not a number of seconds greater than 0");
  EXPECT_EQ(FileError("options = 3"), " line 1: options must be a table, [options]");
  EXPECT_EQ(FileError("[options]\n'mgr/a/b' = 1\n'mgr/a/c' = [1]"),
            " line 3: options.\"mgr/a/c\" must be a string, a number or a boolean");
}

TEST_F(SettingsTest, HowProcessesOfModulesAreKeptIsSaidInTheFileAndByFlags) {
  const auto parsed =
      Parse({"-c", File(R"(
      [modules.hello]
      memory = "64M"
      cpu-quota = 0.5
      writable = ["/a", "/b"]
      [modules."*"]
      restart = "on-failure"
  )"),
             "--module-setting", "hello.memory=128M", "--module-setting", "hello.seccomp=true"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  module::ProcessPolicy hello;
  module::ProcessPolicy all;
  for (const auto& setting : parsed->settings.module_settings) {
    ASSERT_TRUE(Apply(setting.setting, setting.module == "hello" ? &hello : &all).ok());
  }
  EXPECT_EQ(hello.limits.memory_bytes, uint64_t{128} << 20) << "the flag wins";
  EXPECT_EQ(hello.limits.cpu_quota, 0.5);
  EXPECT_THAT(hello.sandbox.writable, ElementsAre("/a", "/b"));
  EXPECT_TRUE(hello.sandbox.seccomp);
  EXPECT_EQ(all.restart, module::RestartPolicy::kOnFailure);
}

TEST_F(SettingsTest, AMistakeInThatIsNamed) {
  EXPECT_EQ(FileError("modules = 3"), " line 1: modules must hold tables, [modules.NAME]");
  EXPECT_EQ(FileError("[modules]\nhello = 3"), " line 2: modules.hello must be a table");
  EXPECT_EQ(FileError("[modules.hello]\nmemry = 3"),
            " line 1: modules.hello: there is no setting \"memry\" of a module's process; did you "
            "mean memory?");
  EXPECT_EQ(Error({"--module-setting", "hello.memory"}),
            "--module-setting \"hello.memory\" is not MODULE.KEY=VALUE, such as hello.memory=64M "
            "or *.restart=never");
}

TEST_F(SettingsTest, AFileThatCannotBeReadIsNamed) {
  EXPECT_THAT(FileError("id = \n"), HasSubstr(" line 1: "));
  const std::string missing = Error({"-c", "/nonexistent.toml"});
  EXPECT_EQ(missing.rfind("/nonexistent.toml: ", 0), 0u) << missing;
}

TEST_F(SettingsTest, HelpAndVersionAreToBePrinted) {
  EXPECT_EQ(Parse({"--version"})->print, "outpost 1.2.3\n");
  const auto help = Parse({"--help", "--sim-osds", "7"});
  ASSERT_TRUE(help.ok()) << help.status();
  EXPECT_THAT(help->print, HasSubstr("--listen-plaintext-tcp"));
}

}  // namespace
}  // namespace outpost
