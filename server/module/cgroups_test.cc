// Version 2 is a made-up tree of files: what a machine has is not for a test to change. What
// the kernel does with the groups, of whatever version there is, tests/fault shows.
#include "server/module/cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::module {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class CgroupsTest : public testing::Test {
 protected:
  // As /proc/self tells of a manager in group /service of hierarchies mounted at `root`.
  void Tell(const std::string& cgroup, const std::string& mountinfo) {
    std::filesystem::create_directory(scratch_.File("proc"));
    Write("proc/cgroup", cgroup);
    Write("proc/mountinfo", mountinfo);
  }
  void TellVersion2(const std::string& controllers, const std::string& given) {
    Tell("0::/service\n",
         "30 20 0:26 / " + scratch_.File("v2") + " rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
    std::filesystem::create_directories(scratch_.File("v2/service"));
    Write("v2/service/cgroup.controllers", controllers + "\n");
    Write("v2/service/cgroup.subtree_control", given + "\n");
  }
  // A group with the files that the kernel would have made in it.
  void Make(const std::string& group, const std::vector<std::string>& files) {
    std::filesystem::create_directories(scratch_.File(group));
    for (const std::string& file : files) Write(absl::StrCat(group, "/", file), "");
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(scratch_.File(name)) << text;
  }
  std::string Read(const std::string& name) {
    std::stringstream text;
    text << std::ifstream(scratch_.File(name)).rdbuf();
    return text.str();
  }

  store::ScratchDir scratch_;
};

TEST_F(CgroupsTest, Version2LimitsWhatItsControllersCan) {
  TellVersion2("cpu memory pids", "cpu memory pids");
  Make("v2/service/outpost.hello.1",
       {"memory.max", "memory.swap.max", "pids.max", "cpu.weight", "cpu.max", "cgroup.procs"});
  Cgroups groups(scratch_.File("proc"));
  const auto limits = groups.Prepare(
      "hello.1",
      {.memory_bytes = 64 << 20, .cpu_weight = 50, .cpu_quota = 0.5, .pids = 7, .open_files = 9});
  ASSERT_THAT(limits, SizeIs(4));
  for (const WantedLimit& limit : limits) {
    EXPECT_EQ(limit.how, "cgroup v2") << limit.name;
    EXPECT_EQ(limit.cgroup_procs, scratch_.File("v2/service/outpost.hello.1/cgroup.procs"));
  }
  EXPECT_EQ(limits[0].wanted, "64 MiB");
  EXPECT_EQ(Read("v2/service/outpost.hello.1/memory.max"), "67108864");
  EXPECT_EQ(Read("v2/service/outpost.hello.1/memory.swap.max"), "0");
  EXPECT_EQ(Read("v2/service/outpost.hello.1/pids.max"), "7");
  EXPECT_EQ(Read("v2/service/outpost.hello.1/cpu.weight"), "50");
  EXPECT_EQ(Read("v2/service/outpost.hello.1/cpu.max"), "50000 100000");

  EXPECT_FALSE(groups.WasOutOfMemory("hello.1"));
  Write("v2/service/outpost.hello.1/memory.events", "low 0\noom 1\noom_kill 1\n");
  EXPECT_TRUE(groups.WasOutOfMemory("hello.1"));
}

TEST_F(CgroupsTest, WhatRunsOnlyWhenNothingElseWould) {
  TellVersion2("cpu", "cpu");
  Make("v2/service/outpost.hello.1", {"cpu.idle", "cgroup.procs"});
  Cgroups groups(scratch_.File("proc"));
  const auto limits = groups.Prepare("hello.1", {.cpu_idle = true});
  ASSERT_THAT(limits, SizeIs(1));
  EXPECT_EQ(limits[0].wanted, "idle");
  EXPECT_EQ(limits[0].how, "cgroup v2");
  EXPECT_EQ(Read("v2/service/outpost.hello.1/cpu.idle"), "1");
}

TEST_F(CgroupsTest, Version2GivesControllersToTheGroupsBelow) {
  TellVersion2("memory", "");
  Make("v2/service/outpost.hello.1", {"memory.max"});
  Cgroups groups(scratch_.File("proc"));
  EXPECT_EQ(groups.Prepare("hello.1", {.memory_bytes = 1 << 20})[0].how, "cgroup v2");
  EXPECT_THAT(Read("v2/service/cgroup.subtree_control"), HasSubstr("+memory"));
}

TEST_F(CgroupsTest, TheGroupThatSystemdGaveIsUsedWhereTheManagerIsBelowIt) {
  TellVersion2("memory", "");
  Write("proc/cgroup", "0::/service/manager\n");
  Make("v2/service/manager", {});
  Make("v2/service/outpost.hello.1", {"memory.max"});
  if (setxattr(scratch_.File("v2/service").c_str(), "user.delegate", "1", 1, 0) != 0) {
    GTEST_SKIP() << "the scratch directory has no extended attributes";
  }
  Cgroups groups(scratch_.File("proc"));
  EXPECT_EQ(groups.Prepare("hello.1", {.memory_bytes = 1 << 20})[0].how, "cgroup v2");
  EXPECT_EQ(Read("v2/service/outpost.hello.1/memory.max"), "1048576");
}

TEST_F(CgroupsTest, AControllerThatIsNotThereIsTold) {
  TellVersion2("cpu", "cpu");
  Cgroups groups(scratch_.File("proc"));
  const auto limits = groups.Prepare("hello.1", {.memory_bytes = 1 << 20});
  ASSERT_THAT(limits, SizeIs(1));
  EXPECT_EQ(limits[0].how, "no hierarchy with this controller can be written to");
  EXPECT_EQ(limits[0].cgroup_procs, "");
  EXPECT_FALSE(groups.WasOutOfMemory("hello.1"));
}

TEST_F(CgroupsTest, Version1HasAHierarchyForEach) {
  Tell("5:pids:/\n4:memory:/box/a\n1:cpu,cpuacct:/\n0::/\n",
       "30 20 0:26 / " + scratch_.File("memory") + " rw - cgroup cgroup rw,memory\n" +
           "31 20 0:27 / " + scratch_.File("cpu") + " rw - cgroup cgroup rw,cpu,cpuacct\n" +
           "32 20 0:28 / " + scratch_.File("v2") + " rw - cgroup2 cgroup2 rw\n");
  Make("v2", {});
  Make("memory/box/a/outpost.hello.1",
       {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cgroup.procs"});
  Make("cpu/outpost.hello.1", {"cpu.shares"});
  Cgroups groups(scratch_.File("proc"));
  const auto limits =
      groups.Prepare("hello.1", {.memory_bytes = 1 << 20, .cpu_weight = 200, .pids = 3});
  ASSERT_THAT(limits, SizeIs(3));
  EXPECT_EQ(limits[0].how, "cgroup v1");
  EXPECT_EQ(Read("memory/box/a/outpost.hello.1/memory.limit_in_bytes"), "1048576");
  EXPECT_EQ(limits[1].how, "no hierarchy with this controller can be written to") << "pids";
  EXPECT_EQ(Read("cpu/outpost.hello.1/cpu.shares"), "2048");
  Write("memory/box/a/outpost.hello.1/memory.oom_control", "under_oom 0\noom_kill 2\n");
  EXPECT_TRUE(groups.WasOutOfMemory("hello.1"));
}

TEST_F(CgroupsTest, ALimitThatTheKernelRefusesIsTold) {
  TellVersion2("pids", "pids");
  Cgroups groups(scratch_.File("proc"));  // the new group has no files
  const auto limits = groups.Prepare("hello.1", {.pids = 3});
  EXPECT_THAT(limits[0].how, HasSubstr("outpost.hello.1/pids.max: No such file or directory"));
  groups.Remove("hello.1");
  EXPECT_FALSE(std::filesystem::exists(scratch_.File("v2/service/outpost.hello.1")));
}

TEST_F(CgroupsTest, NothingIsMadeForNoLimits) {
  TellVersion2("pids", "pids");
  EXPECT_THAT(Cgroups(scratch_.File("proc")).Prepare("hello.1", {.open_files = 64}), IsEmpty());
}

}  // namespace
}  // namespace outpost::module
