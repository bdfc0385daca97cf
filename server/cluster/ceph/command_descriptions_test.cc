#include "server/cluster/ceph/command_descriptions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace outpost::cluster::ceph {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

// Taken from a real answer of 349 commands.
constexpr char kAnswer[] = R"({
  "cmd000": {"sig": ["pg", "stat"], "help": "show placement group status.",
             "module": "pg", "perm": "r", "flags": 8},
  "cmd001": {"sig": ["osd", "down", {"n": "N", "name": "ids", "type": "CephString"},
                     {"name": "definitely_dead", "req": "false", "type": "CephBool"}],
             "help": "set osd(s) down", "module": "osd", "perm": "rw", "flags": 0},
  "cmd002": {"sig": ["mds", "stop", {"name": "role", "type": "CephString"}],
             "help": "obsolete", "module": "mds", "perm": "rw", "flags": 2},
  "cmd003": {"sig": ["mon_status"], "help": "tell only", "module": "mon", "perm": "r", "flags": 33},
  "cmd004": {"sig": ["balancer", "status"], "help": "of a mgr module",
             "module": "mgr", "perm": "r", "flags": 8},
  "cmd005": {"sig": ["mgr", "dump", {"name": "epoch", "range": "0", "req": "False",
                                     "type": "CephInt"}],
             "help": "of the monitors", "module": "mgr", "perm": "r", "flags": 0},
  "cmd006": {"sig": ["osd", "lspools"], "help": "list pools", "module": "osd", "perm": "r",
             "flags": 4},
  "cmd007": {"sig": ["config", "generate-minimal-conf", {"name": "x", "req": "fasle",
                     "type": "CephChoices", "strings": "a|b", "goodchars": "[A-Za-z0-9-_.]"}],
             "help": "", "module": "config", "perm": "r", "flags": 16}
})";

TEST(CommandDescriptionsTest, SignaturesAreInCephsGrammar) {
  const absl::StatusOr<CommandDescriptions> descriptions = ParseCommandDescriptions(kAnswer);
  ASSERT_TRUE(descriptions.ok()) << descriptions.status();
  std::vector<std::string> signatures;
  for (const command::Declaration& c : descriptions->commands) signatures.push_back(c.signature);
  EXPECT_THAT(signatures,
              ElementsAre("pg stat",
                          "osd down name=ids,type=CephString,n=N "
                          "name=definitely_dead,type=CephBool,req=false",
                          "mgr dump name=epoch,type=CephInt,range=0,req=false", "osd lspools",
                          "config generate-minimal-conf name=x,type=CephChoices,req=false,"
                          "strings=a|b,goodchars=[A-Za-z0-9-_.]"));
  const command::Declaration& down = descriptions->commands[1];
  EXPECT_EQ(down.description, "set osd(s) down");
  EXPECT_EQ(down.permissions, "rw");
  EXPECT_FALSE(down.poll);
  EXPECT_TRUE(descriptions->commands.back().poll);
}

TEST(CommandDescriptionsTest, ToldApartByWhoServesAndWhoWrites) {
  const absl::StatusOr<CommandDescriptions> descriptions = ParseCommandDescriptions(kAnswer);
  ASSERT_TRUE(descriptions.ok()) << descriptions.status();
  EXPECT_THAT(descriptions->served_by_mgr, UnorderedElementsAre("pg stat", "balancer status"));
  EXPECT_TRUE(descriptions->read_only.contains("mgr dump"));
  EXPECT_FALSE(descriptions->read_only.contains("osd down"));
}

TEST(CommandDescriptionsTest, WhatCannotBeUnderstoodIsLeftOut) {
  const absl::StatusOr<CommandDescriptions> descriptions = ParseCommandDescriptions(R"({
    "a": 1, "b": {}, "c": {"sig": "x"}, "d": {"sig": []}, "e": {"sig": [1]},
    "f": {"sig": ["x", {"name": "n"}]}, "g": {"sig": ["x", {"name": "n", "type": "t", "r": "a,b"}]},
    "h": {"sig": ["good"]}})");
  ASSERT_TRUE(descriptions.ok()) << descriptions.status();
  ASSERT_EQ(descriptions->commands.size(), 1u);
  EXPECT_EQ(descriptions->commands[0].signature, "good");
}

TEST(CommandDescriptionsTest, OtherTextIsAnError) {
  for (const char* text : {"", "[]", "{", "7"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseCommandDescriptions(text).status())) << text;
  }
}

}  // namespace
}  // namespace outpost::cluster::ceph
