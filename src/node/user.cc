#include "node/user.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "fmt/format.h"

namespace freehold {

Result<User> FindUser(const std::string& name) {
  errno = 0;
  const passwd* entry = name.empty() ? getpwuid(geteuid()) : getpwnam(name.c_str());
  if (entry == nullptr) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no user '{}' on this machine", name));
  }
  User user{entry->pw_name, entry->pw_uid, entry->pw_gid, std::vector<gid_t>(64), entry->pw_dir};
  int count = static_cast<int>(user.groups.size());
  if (getgrouplist(entry->pw_name, entry->pw_gid, user.groups.data(), &count) < 0) {
    return Error(ErrorCode::kNotSupported, fmt::format("{} is in too many groups", user.name));
  }
  user.groups.resize(static_cast<std::size_t>(count));
  return user;
}

Status BecomeUser(const User& user) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoError(errno, "no_new_privs");
  if (user.uid == geteuid() && user.gid == getegid()) return {};
  if (setgroups(user.groups.size(), user.groups.data()) != 0 || setgid(user.gid) != 0 ||
      setuid(user.uid) != 0) {
    return ErrnoError(errno, fmt::format("becoming the user {}", user.name));
  }
  return {};
}

}  // namespace freehold
