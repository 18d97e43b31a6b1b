#include "kms/helper_key_provider.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/posix_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

// The helper is a shell script: `cat` stands for what a real one would say.
class HelperProvider : public testing::Test {
 protected:
  ~HelperProvider() override { unlink(path_.c_str()); }

  HelperKeyProvider Running(const std::string& script,
                            Duration deadline = std::chrono::minutes(1)) {
    return HelperKeyProvider({*KeyUri::Parse("arn:aws:kms:eu-west-1:111122223333:key/k"), "", ""},
                             {"/bin/sh", {"-c", script}, deadline, &SystemClock(), interrupted_});
  }
  // A script that gives this answer and then stays, so that only being killed ends it.
  std::string Answering(const HelperAnswer& answer) {
    const UniqueFd fd(mkstemp(path_.data()));
    const auto sent = SendFrame(fd.get(), EncodeAnswer(answer), SystemClock(),
                                SystemClock().Boot() + std::chrono::seconds(10));
    EXPECT_TRUE(sent.ok());
    return "cat " + path_ + "; exec sleep 600";
  }
  KmsFailure FailureOf(const std::string& script, Duration deadline = std::chrono::minutes(1)) {
    auto result = Running(script, deadline).Unwrap({{1}, "", ""}, {});
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? KmsFailure{} : result.error();
  }

  std::string path_ = "/tmp/freehold-helper-XXXXXX";
  std::shared_ptr<std::atomic<bool>> interrupted_ = std::make_shared<std::atomic<bool>>(false);
};

TEST_F(HelperProvider, GivesTheKeyThatTheHelperUnwrapped) {
  HelperAnswer answer;
  answer.plaintext = SecretBytes::CopyOf(Bytes(32, 7));
  auto key = Running(Answering(answer)).Unwrap({{1}, "", ""}, {});
  ASSERT_TRUE(key.has_value()) << key.error().Sentence();
  EXPECT_TRUE(key->Equals(answer.plaintext));
}

TEST_F(HelperProvider, PassesOnTheHelpersJudgement) {
  HelperAnswer answer;
  answer.failure =
      freehold::FailureOf(KmsMeaning::kKeyDisabled, "Decrypt", "DisabledException", "off");
  answer.failure->remedy = "on";
  const KmsFailure failure = FailureOf(Answering(answer));
  EXPECT_EQ(failure.kms_class, KmsClass::kDenied);
  EXPECT_EQ(failure.meaning, KmsMeaning::kKeyDisabled);
  EXPECT_EQ(failure.Sentence(), "Decrypt: DisabledException: off");
  EXPECT_EQ(failure.remedy, "on");
}

TEST_F(HelperProvider, RefusesASecretOfAnotherSize) {
  HelperAnswer answer;
  answer.plaintext = SecretBytes(31);
  EXPECT_EQ(FailureOf(Answering(answer)).kms_class, KmsClass::kAmbiguous);
}

TEST_F(HelperProvider, ACrashOrGarbageIsAmbiguous) {
  for (const char* script : {"exit 1", "kill -SEGV $$", "echo hello, this is no frame at all",
                             "printf FHK1", "exec <&- >&-", "head -c 1000000 /dev/zero"}) {
    EXPECT_EQ(FailureOf(script).kms_class, KmsClass::kAmbiguous) << script;
  }
}

TEST_F(HelperProvider, AHelperThatCannotStartIsAmbiguous) {
  HelperKeyProvider provider(
      {}, {"/nonexistent/freehold", {}, std::chrono::minutes(1), &SystemClock(), nullptr});
  EXPECT_EQ(provider.Describe().error().kms_class, KmsClass::kAmbiguous);
}

TEST_F(HelperProvider, ASlowHelperIsUnreachableAndLeavesNoProcess) {
  EXPECT_EQ(FailureOf("exec sleep 600", std::chrono::milliseconds(50)).kms_class,
            KmsClass::kUnreachable);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(HelperProvider, AnInterruptionEndsTheWaitAndTheHelper) {
  std::thread interrupting([this] { *interrupted_ = true; });
  const KmsFailure failure = FailureOf("exec sleep 600");
  interrupting.join();
  EXPECT_EQ(failure.kms_class, KmsClass::kAmbiguous);
  EXPECT_EQ(failure.Sentence(), "Unwrap: interrupted by an order to seal");
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(HelperProvider, TheHelperInheritsOnlyItsSocketAndStandardError) {
  const UniqueFd inheritable(dup(STDERR_FILENO));  // without O_CLOEXEC
  EXPECT_EQ(
      FailureOf("test ! -e /proc/$$/fd/" + std::to_string(inheritable.get()) + " || exec sleep 600")
          .kms_class,
      KmsClass::kAmbiguous);
}

TEST_F(HelperProvider, AHelperThatClosesEarlyRaisesNoSignal) {
  signal(SIGPIPE, SIG_DFL);
  auto provider = Running("exec <&- >&-; exit 0");
  EXPECT_FALSE(provider.Wrap(SecretBytes(32), {{"a", std::string(200'000, 'x')}}).has_value());
}

}  // namespace
}  // namespace freehold
