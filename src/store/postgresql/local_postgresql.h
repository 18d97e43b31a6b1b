// LocalPostgresql: a PostgreSQL server of its own, with its data in a temporary directory,
// listening on a socket there and on no port. It ends with the program, however that ends. For
// tests only.
#pragma once

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "store/postgresql/session.h"

namespace freehold::store {

class LocalPostgresql {
 public:
  // The one of this program, started when it is first wanted.
  static LocalPostgresql& Get() {
    static LocalPostgresql server;
    return server;
  }

  // In an empty database that nobody else has.
  std::string NewDatabase() {
    static std::atomic<int> made = 0;
    const std::string name = fmt::format("test_{}", ++made);
    Execute("postgres", fmt::format("CREATE DATABASE {}", name));
    return name;
  }
  std::string UrlOf(const std::string& database) const {
    return fmt::format("postgresql:///{}?host={}&user={}", database, directory_, user_);
  }
  std::unique_ptr<Session> NewSession(const std::string& database) const {
    auto session = Session::Open(*DatabaseUrl::Parse(UrlOf(database), ""));
    EXPECT_TRUE(session.ok()) << session.error().message();
    (*session)->Reset(In(std::chrono::seconds(30)));
    return std::move(*session);
  }
  void Execute(const std::string& database, const std::string& sql) const {
    const auto done = NewSession(database)->Run(sql.c_str());
    ASSERT_TRUE(done.ok()) << sql << ": " << done.error().message();
  }

 private:
  LocalPostgresql() {
    const passwd* postgres = geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());
    user_ = postgres->pw_name;
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    EXPECT_EQ(chown(directory_.c_str(), postgres->pw_uid, postgres->pw_gid), 0);
    const std::string data = directory_ + "/data";
    int status = 0;
    waitpid(Start(postgres, {"initdb", "-D", data, "-A", "trust", "--no-sync", "-E", "UTF8",
                             "--locale=C.UTF-8", "--no-instructions"}),
            &status, 0);
    EXPECT_EQ(status, 0) << "initdb of PostgreSQL 15 failed; see " << directory_ << "/log";
    process_ =
        Start(postgres, {"postgres", "-D", data, "-k", directory_, "-c", "listen_addresses="});
    const Deadline deadline = In(std::chrono::seconds(60));
    const auto url = DatabaseUrl::Parse(UrlOf("postgres"), "");
    while (!Session::Open(*url).ok() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  ~LocalPostgresql() {
    kill(process_, SIGQUIT);
    waitpid(process_, nullptr, 0);
    std::filesystem::remove_all(directory_);
  }

  pid_t Start(const passwd* as, std::vector<std::string> words) const {
    const std::string program = "/usr/lib/postgresql/15/bin/" + words.front();
    const std::string log = directory_ + "/log";
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child != 0) return child;
    const bool is_postgres = geteuid() != 0 || (setgroups(0, nullptr) == 0 &&
                                                setgid(as->pw_gid) == 0 && setuid(as->pw_uid) == 0);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (!is_postgres || getppid() != parent || chdir(directory_.c_str()) != 0) _exit(1);
    if (std::freopen(log.c_str(), "a", stdout) == nullptr || dup2(1, 2) < 0) _exit(1);
    execv(program.c_str(), arguments.data());
    _exit(127);
  }

  std::string directory_ = "/tmp/freehold-postgresql-XXXXXX";
  std::string user_;
  pid_t process_ = -1;
};

}  // namespace freehold::store
