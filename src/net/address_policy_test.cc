#include "net/address_policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

TEST(AddressPolicyTest, ThePublicInternetIsAllowedAndNamesAreJudgedLater) {
  const AddressPolicy policy;
  for (const char* host : {"93.184.216.34", "[2606:2800:220:1::1]", "hooks.example.com",
                           "[64:ff9b::5db8:d822]", "9.255.255.255", "11.0.0.0", "172.32.0.1"}) {
    EXPECT_TRUE(policy.AllowsHost(host)) << host;
  }
}

TEST(AddressPolicyTest, WhatOnlyThisMachineReachesIsRefused) {
  const AddressPolicy policy;
  for (const char* host : {"127.0.0.1",
                           "127.255.0.1",
                           "10.0.0.1",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "100.64.0.1",
                           "0.0.0.0",
                           "0.1.2.3",
                           "[::1]",
                           "[::]",
                           "[fc00::1]",
                           "[fd12::1]",
                           "[::ffff:10.0.0.1]",
                           "[::ffff:127.0.0.1]",
                           "[::127.0.0.1]",
                           "[64:ff9b::a00:1]",
                           "[2002:a00:1::1]",
                           "224.0.0.1",
                           "255.255.255.255",
                           "[ff02::1]"}) {
    EXPECT_FALSE(policy.AllowsHost(host)) << host;
  }
}

TEST(AddressPolicyTest, NetworksCanBeAllowedAndMetadataServicesCannot) {
  const auto policy =
      AddressPolicy::Allowing({"10.1.0.0/16", "127.0.0.1", "fd00::/8", "0.0.0.0/0"});
  ASSERT_TRUE(policy.ok());
  for (const char* host : {"10.1.2.3", "127.0.0.1", "192.168.1.1", "[fd12::1]"}) {
    EXPECT_TRUE(policy->AllowsHost(host)) << host;
  }
  for (const char* host : {"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "168.63.129.16",
                           "100.100.100.200", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]"}) {
    EXPECT_FALSE(policy->AllowsHost(host)) << host;
  }
  const auto narrow = AddressPolicy::Allowing({"10.1.0.0/15"});
  EXPECT_TRUE(narrow->AllowsHost("10.0.255.255"));
  EXPECT_FALSE(narrow->AllowsHost("10.2.0.0"));
}

TEST(AddressPolicyTest, WhatIsNoNetworkIsRefusedByName) {
  for (const char* text : {"", "x", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "1.2.3"}) {
    EXPECT_FALSE(AddressPolicy::Allowing({text}).ok()) << text;
  }
}

TEST(AddressPolicyTest, RefusesToAllowWhatNeverIs) {
  for (const char* text : {"169.254.0.0/16", "169.254.169.254", "fe80::/64", "168.63.129.16"}) {
    const auto policy = AddressPolicy::Allowing({text});
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_THAT(policy.error().message(), testing::HasSubstr("cannot be allowed")) << text;
  }
  EXPECT_TRUE(AddressPolicy::Allowing({"0.0.0.0/0", "169.0.0.0/8"}).ok());
}

}  // namespace
}  // namespace freehold
