#include "outpost/internal/event_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::internal {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

v1::TailEventsResponse Exited() {
  v1::TailEventsResponse event;
  event.set_module("m");
  event.set_kind(v1::EVENT_KIND_EXITED);
  event.set_state(v1::MODULE_STATE_CANNOT_RUN);
  event.set_message("signal 11 (Segmentation fault)");
  event.set_pid(42);
  event.mutable_exit()->set_signal(11);
  event.mutable_exit()->add_output("its last word");
  event.set_traceback("Traceback:\n  line 1\n");
  return event;
}

TEST(EventTextTest, IsALineAndMoreWhereMoreIsAskedFor) {
  EXPECT_THAT(EventText(Exited(), false),
              EndsWith(" m exited: signal 11 (Segmentation fault) (pid 42)"));
  EXPECT_THAT(EventText(Exited(), true),
              EndsWith("(pid 42)\n    its last word\n    Traceback:\n      line 1"));
}

TEST(EventTextTest, OfTheManagerHasNoModule) {
  v1::TailEventsResponse event;
  event.set_kind(v1::EVENT_KIND_MANAGER_STARTED);
  EXPECT_THAT(EventText(event, true), EndsWith(" manager started"));
}

TEST(EventTextTest, SaysWhoAndWhenNextAndWhatWasMissed) {
  v1::TailEventsResponse event;
  event.set_module("m");
  event.set_kind(v1::EVENT_KIND_RESTART);
  event.set_by("client");
  event.mutable_next_start()->set_seconds(1);
  event.set_missed(3);
  EXPECT_THAT(EventText(event, false), StartsWith("(3 events were missed)\n"));
  EXPECT_THAT(EventText(event, false), HasSubstr(" m restart (by client, next start 19"));
}

TEST(EventJsonTest, HasWhatIsThere) {
  const nlohmann::ordered_json json = EventJson(Exited());
  EXPECT_EQ(json["kind"], "exited");
  EXPECT_EQ(json["state"], "cannot run");
  EXPECT_EQ(json["exit"]["signal"], 11);
  EXPECT_EQ(json["exit"]["core_dumped"], false);
  EXPECT_EQ(json["output"].dump(), R"(["its last word"])");
  EXPECT_FALSE(json.contains("missed"));
  EXPECT_FALSE(json.contains("next_start"));
  EXPECT_FALSE(EventJson({}).contains("exit"));
}

TEST(EventTextTest, WhatOnlyANewerManagerKnowsHasANumber) {
  v1::TailEventsResponse event;
  event.set_kind(static_cast<v1::EventKind>(99));
  event.set_state(static_cast<v1::ModuleState>(98));
  EXPECT_THAT(EventText(event, false), EndsWith(" kind 99"));
  EXPECT_EQ(EventJson(event)["kind"], "kind 99");
  EXPECT_EQ(EventJson(event)["state"], "state 98");
}

}  // namespace
}  // namespace outpost::internal
