#include "net/tls_connection.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/scripted_server.h"

// What takes a server with certificates is in tests/kmip_test.py.
namespace freehold {
namespace {

HttpFailure FailureOfOpening(const std::string& authority, const TlsOptions& options = {}) {
  auto connection = TlsConnection::Open(authority, options);
  if (!connection.has_value()) return connection.error();
  ADD_FAILURE() << authority << " was opened";
  return {};
}

TEST(TlsConnection, OpensNothingThatIsNotAHostAndAPort) {
  for (const char* text : {"user@127.0.0.1:1", "127.0.0.1:1/x", "127.0.0.1:1?x", "", "h:1\r\nx"}) {
    EXPECT_EQ(FailureOfOpening(text).kind, HttpFailureKind::kRefused) << text;
  }
}

TEST(TlsConnection, OpensNothingWhereCloudsHandOutCredentials) {
  for (const char* text : {"169.254.169.254:443", "169.254.1.1:443", "[fd00:ec2::254]:443",
                           "[fe80::1]:443", "[::ffff:169.254.169.254]:443"}) {
    const HttpFailure failure = FailureOfOpening(text);
    EXPECT_EQ(failure.kind, HttpFailureKind::kRefused) << text << ": " << failure.message;
  }
}

TEST(TlsConnection, TellsWhyThereIsNone) {
  EXPECT_EQ(FailureOfOpening("no-such-host.invalid:1").kind, HttpFailureKind::kResolve);
  std::string dead;
  {
    ScriptedServer gone;
    dead = gone.Url().substr(7);
  }
  EXPECT_EQ(FailureOfOpening(dead).kind, HttpFailureKind::kConnect);
  ScriptedServer silent({{ScriptedServer::kSayNothing, {}, ""}});
  TlsOptions impatient;
  impatient.connect_timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(FailureOfOpening(silent.Url().substr(7), impatient).kind, HttpFailureKind::kTimeout);
}

}  // namespace
}  // namespace freehold
