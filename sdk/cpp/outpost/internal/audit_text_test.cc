#include "outpost/internal/audit_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::internal {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;

TEST(AuditTextTest, ACommand) {
  EXPECT_THAT(
      AuditText(R"({"n":17,"time":"2026-01-31T12:00:00.123Z","who":"user/alice",)"
                R"("from":"uid 1000, pid 77","command":"config set","arguments":)"
                R"({"prefix":"config set","name":"mgr/hello/place","value":"New York","n":3},)"
                R"("result":0,"seconds":0.002})"),
      MatchesRegex(R"(2026-0[12]-[0-9T:]+\.123[+-][0-9]{4} user/alice config set )"
                   R"(name=mgr/hello/place value="New York" n=3 -> ok )"
                   R"(\(uid 1000, pid 77, 2ms\))"));
}

TEST(AuditTextTest, WhatItCameTo) {
  EXPECT_THAT(AuditText(R"({"who":"user/a","command":"c","result":-22,"error":"no number"})"),
              EndsWith(" user/a c -> EINVAL: no number"));
  EXPECT_THAT(AuditText(R"({"who":"user/a","command":"c","result":-4000})"), EndsWith("-> -4000"));
  EXPECT_THAT(AuditText(R"({"who":"user/a","command":"c","result":-99999999999})"),
              EndsWith("-> -99999999999"));
  EXPECT_THAT(AuditText(R"({"who":"user/a","command":"c","result":3})"), EndsWith("-> 3"));
}

TEST(AuditTextTest, WhatWasToldAgain) {
  EXPECT_THAT(AuditText(R"({"who":"user/a","command":"c","result":0,"replayed":true})"),
              EndsWith("-> ok (not run again: what came of the same request before)"));
  EXPECT_THAT(AuditText(R"({"who":"user/a","command":"c","result":0,"replayed":"x"})"),
              EndsWith("-> ok"));
}

TEST(AuditTextTest, ARefusal) {
  EXPECT_THAT(AuditText(R"({"time":"then","who":"module/m","from":"ipv4:10.0.0.1:4711",)"
                        R"("method":"outpost.v1.Config.Set","arguments":{"key":"a"},"result":-13,)"
                        R"("error":"it lacks much","refused":true,"refusals_not_written":7})"),
              testing::StrEq("then module/m outpost.v1.Config.Set key=a -> refused: it lacks much "
                             "(ipv4:10.0.0.1:4711, and 7 refusals that were not written)"));
}

TEST(AuditTextTest, WhatIsNoEntryIsShownAsItIs) {
  EXPECT_EQ(AuditText("{\"n\": 1"), "{\"n\": 1");
  EXPECT_EQ(AuditText("[1]"), "[1]");
  EXPECT_THAT(AuditText(R"({"time":4,"who":{"a":1},"refused":3,"result":"x","seconds":"y"})"),
              HasSubstr(R"({"a":1})"));
  EXPECT_THAT(AuditText(R"json({"command":"c","arguments":"(90000 bytes)"})json"),
              HasSubstr("c (90000 bytes) -> ok"));
}

}  // namespace
}  // namespace outpost::internal
