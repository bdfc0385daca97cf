#include "server/module/structure_watches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/event/timer_queue.h"
#include "server/module/recording_link.h"

namespace outpost::module {
namespace {

using testing::IsEmpty;
using Case = v1::AttachResponse::MessageCase;

class StructureWatchesTest : public testing::Test {
 protected:
  struct Module {
    std::shared_ptr<RecordingLink> link = std::make_shared<RecordingLink>();
    std::shared_ptr<Session> session;
  };
  Module Attach(const std::string& name) {
    Module module;
    v1::Register registration;
    registration.set_name(name);
    module.session = Session::Create("key-" + name, registration, module.link, &timers_,
                                     std::make_shared<RequestsOfModule>());
    return module;
  }

  event::TimerQueue timers_;
  StructureWatches watches_;
};

TEST_F(StructureWatchesTest, WhoWatchesIsToldOnce) {
  const Module a = Attach("a");
  const Module b = Attach("b");
  watches_.Watch("osd_map", a.session);
  watches_.Watch("osd_map", a.session);  // one watch
  watches_.Watch("health", b.session);
  watches_.Changed("osd_map", 7);
  watches_.Changed("osd_map", 8);
  const auto told = a.link->Next(Case::kStructureChanged).structure_changed();
  EXPECT_EQ(told.name(), "osd_map");
  EXPECT_EQ(told.version(), 7);
  EXPECT_THAT(a.link->Waiting(), IsEmpty());
  EXPECT_THAT(b.link->Waiting(), IsEmpty());
  EXPECT_EQ(watches_.size(), 1);
}

TEST_F(StructureWatchesTest, AReadAfterTheChangeWatchesAgain) {
  const Module a = Attach("a");
  watches_.Watch("osd_map", a.session);
  watches_.Changed("osd_map", 7);
  watches_.Watch("osd_map", a.session);
  watches_.Changed("osd_map", 8);
  EXPECT_EQ(a.link->Next(Case::kStructureChanged).structure_changed().version(), 7);
  EXPECT_EQ(a.link->Next(Case::kStructureChanged).structure_changed().version(), 8);
}

TEST_F(StructureWatchesTest, SessionsThatHaveEndedAreForgotten) {
  for (int i = 0; i < 1000; ++i) watches_.Watch("osd_map", Attach("a").session);
  EXPECT_LT(watches_.size(), 200);
  watches_.Changed("osd_map", 7);
  EXPECT_EQ(watches_.size(), 0);
}

}  // namespace
}  // namespace outpost::module
