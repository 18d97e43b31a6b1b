#include "node/namespaces.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "node/namespace_init.h"

namespace freehold {
namespace {

using ::testing::HasSubstr;

class Namespaces : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0U) << "these tests need root: sudo make test";
    char name[] = "/tmp/freehold-namespaces-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  // A shell as the main process; what it says goes to a file that stays visible.
  NamespacedTree Start(const std::string& script) {
    auto tree = StartInNamespaces({{}, "10%", {directory_}}, Shell(script));
    EXPECT_TRUE(tree.ok());
    return std::move(*tree);
  }
  MainProcess Shell(const std::string& script) {
    return [this, script] {
      if (chdir(directory_.c_str()) != 0) return ErrnoError(errno, directory_);
      execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
      return ErrnoError(errno, "sh");
    };
  }
  static int WaitFor(pid_t pid) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return ExitCodeOf(status);
  }
  std::string Said(const std::string& name) const {
    std::ifstream file(directory_ + "/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  // Waits for a file to appear, without a fixed sleep.
  bool Appears(const std::string& name) const {
    for (int i = 0; i < 500; ++i) {
      if (std::filesystem::exists(directory_ + "/" + name)) return true;
      poll(nullptr, 0, 20);
    }
    return false;
  }

  std::string directory_;
};

TEST_F(Namespaces, EndWithTheMainProcessAndItsExitCode) {
  EXPECT_EQ(WaitFor(Start("sleep 1000 & exit 7").init), 7);
  EXPECT_EQ(WaitFor(Start("kill -9 $$").init), 128 + SIGKILL);
}

TEST_F(Namespaces, ShowOnlyTheirOwnProcesses) {
  EXPECT_EQ(WaitFor(Start("ls /proc | grep -cx '[0-9]*' > count; echo $$ > pid").init), 0);
  EXPECT_EQ(Said("pid"), "2\n");
  EXPECT_LE(std::stoi(Said("count")), 5);
}

TEST_F(Namespaces, KeepPrivatePlacesPrivateAndVisibleOnesVisible) {
  const std::string mark = std::filesystem::path(directory_).filename().string() + ".mark";
  EXPECT_EQ(WaitFor(Start("for d in /tmp /var/tmp /dev/shm; do echo x > $d/" + mark +
                          " || exit 1; done; ls /tmp > seen; stat -c %a /tmp > mode")
                        .init),
            0);
  for (const char* place : {"/tmp/", "/var/tmp/", "/dev/shm/"}) {
    EXPECT_FALSE(std::filesystem::exists(place + mark)) << place;
  }
  EXPECT_THAT(Said("seen"), HasSubstr(mark));
  EXPECT_EQ(Said("mode"), "1777\n");
}

TEST_F(Namespaces, RefuseCoresInAWayThatSurvivesExec) {
  EXPECT_EQ(WaitFor(Start("exec sh -c 'grep core /proc/self/limits > limits'").init), 0);
  EXPECT_THAT(Said("limits"), ::testing::ContainsRegex("size +1 +1 +bytes"));
}

TEST_F(Namespaces, LeaveNoOtherDescriptorOpen) {
  const int secret = open("/etc/passwd", O_RDONLY);  // not even closed on exec
  EXPECT_EQ(WaitFor(Start("for fd in /proc/$$/fd/*; do readlink $fd; done > fds; true").init), 0);
  close(secret);
  EXPECT_THAT(Said("fds"), ::testing::Not(HasSubstr("/etc/passwd")));
}

TEST_F(Namespaces, SayWhyTheProgramNeverRan) {
  auto tree = StartInNamespaces({{}, "10%", {}},
                                [] { return Error(ErrorCode::kNotFound, "no such database"); });
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(WaitFor(tree->init), kCouldNotRun);
  auto why = ReadUntilEnd(tree->failure.get(), 1000);
  ASSERT_TRUE(why.ok());
  EXPECT_EQ(AsText(*why), "no such database");
}

TEST_F(Namespaces, PassOnASignal) {
  const NamespacedTree tree =
      Start("trap 'exit 3' INT; touch trapped; while :; do sleep 0.1; done");
  ASSERT_TRUE(Appears("trapped"));
  ASSERT_TRUE(SignalMain(tree, SIGINT).ok());
  EXPECT_EQ(WaitFor(tree.init), 3);
}

TEST_F(Namespaces, EndWhenTheirStarterLetsGo) {
  NamespacedTree tree = Start("touch up; sleep 1000");
  ASSERT_TRUE(Appears("up"));
  tree.signal.Reset();
  EXPECT_EQ(WaitFor(tree.init), 128 + SIGKILL);
}

TEST_F(Namespaces, EndWholeWithTheirInit) {
  const NamespacedTree tree = Start("setsid sleep 1000 & setsid sleep 1000 & touch up; wait");
  ASSERT_TRUE(Appears("up"));
  EXPECT_GE(ProcessesBelow(tree.init).size(), 2U);
  kill(tree.init, SIGKILL);
  WaitFor(tree.init);
  EXPECT_EQ(ProcessesBelow(tree.init).size(), 0U);
}

TEST_F(Namespaces, TakeInAFurtherProcess) {
  const NamespacedTree tree = Start("echo private > /tmp/mark; touch up; sleep 1000");
  ASSERT_TRUE(Appears("up"));
  auto beside = StartBeside(tree.init, Shell("cat /tmp/mark > seen; exit 5"));
  ASSERT_TRUE(beside.ok());
  EXPECT_EQ(WaitFor(*beside), 5);
  EXPECT_EQ(Said("seen"), "private\n");
  kill(tree.init, SIGKILL);
  WaitFor(tree.init);
}

}  // namespace
}  // namespace freehold
