#include "cli/control/login.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <optional>

#include "api/json_reader.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "net/http_client.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestKey = 4096;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void Wipe(std::string& text) { explicit_bzero(text.data(), text.size()); }

// `where` is all that an error says: the text may be another secret.
Result<SecretBytes> KeyIn(std::string text, const std::string& where) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  // A secret of another kind is not sent anywhere.
  const bool good =
      text.starts_with("fhk_") && text.size() <= kLongestKey &&
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
  auto key = SecretBytes::CopyOf(AsBytes(text));
  Wipe(text);
  if (good) return key;
  return Error(ErrorCode::kInvalidArgument, fmt::format("{} holds no API key (fhk_...)", where));
}

// Takes the terminal's echo away while it lives.
class WithoutEcho {
 public:
  WithoutEcho() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);  // an interrupt would leave it so
    changed_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~WithoutEcho() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

Result<SecretBytes> KeyFromInput() {
  if (isatty(STDIN_FILENO) == 0) {
    Bytes read = TRY(ReadUntilEnd(STDIN_FILENO, kLongestKey));
    std::string text(AsText(read));
    explicit_bzero(read.data(), read.size());
    return KeyIn(std::move(text), "standard input");
  }
  std::string text;
  {
    // Before it asks: what is typed earlier is thrown away.
    const WithoutEcho silent;
    fmt::print(stderr, "API key: ");
    std::fflush(stderr);
    char c = 0;
    while (text.size() < kLongestKey && read(STDIN_FILENO, &c, 1) == 1 && c != '\n') text += c;
  }
  fmt::print(stderr, "\n");
  return KeyIn(std::move(text), "what was typed");
}

// Nothing when there is no file.
Result<std::optional<Login>> KeptLogin() {
  const std::string path = TRY(LoginFile());
  auto fd = OpenFile(path, O_RDONLY | O_NONBLOCK);
  if (!fd.ok()) {
    if (fd.error().code() == ErrorCode::kNotFound) return std::optional<Login>();
    return fd.error();
  }
  struct stat st {};
  if (fstat(fd->get(), &st) != 0) return ErrnoError(errno, path);
  if (!S_ISREG(st.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, path + " is not a regular file");
  }
  if ((st.st_mode & 077) != 0 || st.st_uid != geteuid()) {
    return Error(ErrorCode::kPermissionDenied,
                 path + " holds an API key and is open to others; run 'freehold login' again");
  }
  Bytes contents = TRY(ReadUntilEnd(fd->get(), 1 << 16));
  auto object = api::ParseObject(AsText(contents), path);
  explicit_bzero(contents.data(), contents.size());
  if (!object.ok()) return object.error();
  api::JsonReader reader(*object, "");
  Login login;
  login.server = reader.RequiredText("server");
  login.ca_file = reader.Text("ca");
  std::string key = reader.RequiredText("api_key");
  if (auto finished = reader.Finish(); !finished.ok()) return finished.error().Because(path);
  login.api_key = TRY(KeyIn(std::move(key), path));
  return std::optional<Login>(std::move(login));
}

}  // namespace

Result<std::string> LoginFile() {
  if (std::string path = Environment("FREEHOLD_CONFIG"); !path.empty()) return path;
  if (const std::string config = Environment("XDG_CONFIG_HOME"); config.starts_with('/')) {
    return config + "/freehold/login.json";
  }
  if (const std::string home = Environment("HOME"); !home.empty()) {
    return home + "/.config/freehold/login.json";
  }
  return Error(ErrorCode::kInvalidArgument,
               "neither FREEHOLD_CONFIG, XDG_CONFIG_HOME nor HOME is set");
}

Result<std::string> ServerOrigin(const std::string& url) {
  const HttpUrl parsed = TRY(HttpUrl::Parse(url));
  if (parsed.target == "/") return parsed.origin;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("give the server's URL without a path: {}", parsed.origin));
}

Result<Login> LoginToUse(const std::string& ca_file) {
  const std::string server = Environment("FREEHOLD_SERVER");
  std::string key = Environment("FREEHOLD_API_KEY");
  Login login;
  if (server.empty() || key.empty()) {
    auto kept = TRY(KeptLogin());
    if (!kept.has_value()) {
      return Error(ErrorCode::kUnauthenticated,
                   "there is no login; run 'freehold login URL', or set FREEHOLD_SERVER and "
                   "FREEHOLD_API_KEY");
    }
    login = std::move(*kept);
  }
  if (!server.empty()) {
    const std::string origin = TRY(ServerOrigin(server));
    if (key.empty() && origin != login.server) {
      return Error(ErrorCode::kUnauthenticated,
                   fmt::format("FREEHOLD_SERVER is not the server that the kept API key is for "
                               "({}); set FREEHOLD_API_KEY too",
                               login.server));
    }
    login.server = origin;
  }
  if (!key.empty()) login.api_key = TRY(KeyIn(std::move(key), "FREEHOLD_API_KEY"));
  if (!ca_file.empty()) login.ca_file = ca_file;
  return login;
}

Status KeepLogin(const Login& login) {
  const std::string path = TRY(LoginFile());
  if (const auto slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
    TRY(MakeDirectories(path.substr(0, slash), 0700));
  }
  std::string text =
      json::serialize(json::object{{"server", login.server},
                                   {"ca", login.ca_file},
                                   {"api_key", std::string(AsText(login.api_key.ExposeSecret()))}});
  text += '\n';
  unlink((path + ".new").c_str());  // its mode would stay what somebody else has made it
  const Status written = ReplaceFile(path, AsBytes(text), 0600);
  Wipe(text);
  return written;
}

Result<bool> ForgetLogin() {
  const std::string path = TRY(LoginFile());
  if (unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  return ErrnoError(errno, path);
}

Result<SecretBytes> ReadApiKey(const std::string& key_file) {
  if (!key_file.empty()) {
    Bytes read = TRY(ReadFile(key_file, kLongestKey));
    std::string text(AsText(read));
    explicit_bzero(read.data(), read.size());
    return KeyIn(std::move(text), key_file);
  }
  if (std::string key = Environment("FREEHOLD_API_KEY"); !key.empty()) {
    return KeyIn(std::move(key), "FREEHOLD_API_KEY");
  }
  return KeyFromInput();
}

}  // namespace freehold::cli
