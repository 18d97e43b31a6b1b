// User: becoming the operating system's user that a database runs as, for good.
//
// Looked up before fork, because the name service is not for the time between fork and exec.
// Errors: kNotFound for a name that is not known. Threads: BecomeUser in a process with one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace freehold {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string home;
};

Result<User> FindUser(const std::string& name);  // "" = the one that we are

// Groups, group, user; no way back, and no program that is executed later gains any privilege.
Status BecomeUser(const User& user);

}  // namespace freehold
