#include "server/event/thread_role.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <string>
#include <thread>

namespace outpost::event {
namespace {

std::string Name() {
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

TEST(ThreadRoleTest, WhatWorksInTheBackgroundTakesNoProcessorFromOthersAsItWakesUp) {
  const int before = sched_getscheduler(0);
  std::thread([] {
    BeginBackground("in-background");
    EXPECT_EQ(Name(), "in-background");
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  }).join();
  EXPECT_EQ(sched_getscheduler(0), before) << "it is of that thread alone";
}

TEST(ThreadRoleTest, APolicyThatAnOperatorHasGivenStays) {
  std::thread([] {
    const sched_param none = {};
    ASSERT_EQ(sched_setscheduler(0, SCHED_IDLE, &none), 0);
    BeginBackground("idle");
    EXPECT_EQ(sched_getscheduler(0), SCHED_IDLE);
  }).join();
}

TEST(ThreadRoleTest, ANameAlone) {
  std::thread([] {
    NameThread("only-a-name");
    EXPECT_EQ(Name(), "only-a-name");
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  }).join();
}

}  // namespace
}  // namespace outpost::event
