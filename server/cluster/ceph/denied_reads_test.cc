#include "server/cluster/ceph/denied_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "server/cluster/cluster_state.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(DeniedReadsTest, WhatIsRefusedIsToldUntilItIsNot) {
  ClusterState state;
  DeniedReads reads("client.x", &state);
  const auto note = [&](const char* what, int retval) {
    reads.Note(what, "osd 'allow *'", command::Result{retval, "", ""});
  };
  note("a", 0);
  note("a", -ETIMEDOUT);
  EXPECT_THAT(state.access().denied, IsEmpty());
  note("b", -EACCES);
  note("a", -EPERM);
  note("a", -EACCES);
  EXPECT_EQ(state.access().client, "client.x");
  EXPECT_THAT(state.access().denied, ElementsAre("a takes the capability osd 'allow *'",
                                                 "b takes the capability osd 'allow *'"));
  note("b", -ETIMEDOUT);
  note("a", 0);
  EXPECT_THAT(state.access().denied, ElementsAre("b takes the capability osd 'allow *'"));
}

}  // namespace
}  // namespace outpost::cluster::ceph
