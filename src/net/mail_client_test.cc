#include "net/mail_client.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

using testing::HasSubstr;
using testing::Not;

MailServer ServerAt(const std::string& url) { return {url, "keys@example.com", "", {}, ""}; }

TEST(MailClientTest, AddressesAreThoseThatCanStandInAHeader) {
  for (const char* good : {"a@b", "first.last+keys@example.com", "o'neil@sub.example.org"}) {
    EXPECT_TRUE(CheckMailAddress(good).ok()) << good;
  }
  for (const char* bad :
       {"", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x@y", "a\n@b", "<a@b>", "\"a\"@b",
        ".a@b", "a..b@c", "a@.b", "a@b.", "a,b@c", "a;b@c", "\xc3\xa4@b", "a@b c"}) {
    EXPECT_FALSE(CheckMailAddress(bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckMailAddress(std::string(65, 'a') + "@b").ok());
}

TEST(MailClientTest, AServerIsAHostAndAPort) {
  for (const char* good : {"smtp://127.0.0.1:25", "smtps://mail.example.com"}) {
    EXPECT_TRUE(CheckMailServer(ServerAt(good)).ok()) << good;
  }
  for (const char* bad : {"", "http://mail.example.com", "smtp://user:word@mail.example.com",
                          "smtp://mail.example.com/x", "mail"}) {
    EXPECT_FALSE(CheckMailServer(ServerAt(bad)).ok()) << bad;
  }
}

TEST(MailClientTest, AMessageIsPlainTextWhateverIsInIt) {
  const std::string text = std::string(200, 'x') + " \n.\nk\xc3\xa4se = ";
  const std::string mail =
      FormatMail("keys@example.com", {"you@example.com", "A subject", text, "id", WallTime{}});
  EXPECT_THAT(mail, HasSubstr("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"));
  EXPECT_THAT(mail, HasSubstr("\r\nTo: <you@example.com>\r\n"));
  EXPECT_THAT(mail, HasSubstr("\r\nMessage-ID: <id@example.com>\r\n"));
  EXPECT_THAT(mail, HasSubstr("k=C3=A4se =3D=20\r\n"));
  EXPECT_THAT(mail, Not(HasSubstr(std::string(76, 'x'))));
  EXPECT_THAT(mail, HasSubstr("=20\r\n.\r\n"));  // the client doubles that dot
}

TEST(MailClientTest, ASubjectWithALineBreakIsNotSent) {
  const Mail mail{"you@example.com", "A\r\nBcc: other@example.com", "text", "id", WallTime{}};
  const Status sent = SendMail(ServerAt("smtp://127.0.0.1:1"), mail);
  EXPECT_EQ(sent.error().code(), ErrorCode::kInvalidArgument);
}

TEST(MailClientTest, WithoutAServerItSaysSo) {
  const Mail mail{"you@example.com", "A subject", "text", "id", WallTime{}};
  const Status sent = SendMail(ServerAt("smtp://127.0.0.1:1"), mail);
  EXPECT_EQ(sent.error().code(), ErrorCode::kNotReady);
}

}  // namespace
}  // namespace freehold
