#include "server/rpc/callers_at_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::rpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Caller From(const char* name, const char* address) {
  Caller caller;
  caller.name = name;
  caller.address = address;
  return caller;
}

TEST(CallersAtWorkTest, EachAddressWhileACallComesFromIt) {
  CallersAtWork at_work;
  EXPECT_THAT(at_work.AddressesOf("user/alice"), IsEmpty());
  auto first = at_work.Enter(From("user/alice", "10.1.2.3"));
  auto second = at_work.Enter(From("user/alice", "10.1.2.3"));
  auto local = at_work.Enter(From("user/alice", ""));
  const auto other = at_work.Enter(From("user/bob", "10.9.9.9"));
  EXPECT_THAT(at_work.AddressesOf("user/alice"), ElementsAre("", "10.1.2.3"));
  first = nullptr;
  EXPECT_THAT(at_work.AddressesOf("user/alice"), ElementsAre("", "10.1.2.3"));
  local = nullptr;
  EXPECT_THAT(at_work.AddressesOf("user/alice"), ElementsAre("10.1.2.3"));
  second = nullptr;
  EXPECT_THAT(at_work.AddressesOf("user/alice"), IsEmpty());
  EXPECT_THAT(at_work.AddressesOf("user/bob"), ElementsAre("10.9.9.9"));
}

TEST(CallersAtWorkTest, WhoMayDoAllIsNotCounted) {
  CallersAtWork at_work;
  Caller admin = From("user/admin", "");
  admin.caps = auth::Caps::AllowAll();
  EXPECT_EQ(at_work.Enter(admin), nullptr);
  EXPECT_THAT(at_work.AddressesOf("user/admin"), IsEmpty());
}

}  // namespace
}  // namespace outpost::rpc
