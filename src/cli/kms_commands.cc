#include "cli/kms_commands.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <deque>
#include <thread>

#include "base/log.h"
#include "base/posix_file.h"
#include "base/stop_signal.h"
#include "cli/listen_address.h"
#include "cli/output.h"
#include "fmt/format.h"
#include "kms/embedded/azure/azure_dialect.h"
#include "kms/embedded/control_socket.h"
#include "kms/embedded/embedded_kms.h"
#include "kms/embedded/google/google_dialect.h"
#include "kms/embedded/store_list.h"
#include "kms/embedded/tls_identity.h"
#include "kms/embedded/vault/vault_dialect.h"
#include "net/http_server.h"

namespace freehold::cli {
namespace {

using embedded::EmbeddedKms;
using embedded::EventLog;

Status Announce(const EmbeddedKms& kms, const HttpServer& server, const HttpServer& tls_server,
                int ready_fd) {
  TRY(ReplaceFile(kms.directory() + "/endpoint", AsBytes(server.Url() + "\n"), 0644));
  TRY(ReplaceFile(kms.directory() + "/tls-endpoint", AsBytes(tls_server.Url() + "\n"), 0644));
  Print(fmt::format("listening on {}", server.Url()));
  Print(fmt::format("listening on {}, with a certificate of {}/ca.pem", tls_server.Url(),
                    kms.directory()));
  if (ready_fd < 0) return {};
  if (auto told = WriteAll(ready_fd, AsBytes("READY\n")); !told.ok()) {
    return told.error().Because("--ready-fd");
  }
  close(ready_fd);
  return {};
}

// Refused before anything is made for a server that will not start.
Result<HttpServerOptions> ListenOn(std::string_view flag, const std::string& text,
                                   bool allow_remote) {
  HttpServerOptions http;
  http.threads = 16;
  http.allow_remote = allow_remote;
  TRY(ParseListen(flag, text, http));
  const Status fits = CheckListenAddress(http);
  if (!fits.ok()) return fits.error().Because(std::string(flag));
  return http;
}

Result<std::unique_ptr<HttpServer>> ServeTls(HttpServerOptions http, EmbeddedKms& kms) {
  auto identity = TRY(embedded::TlsIdentity(kms.directory(), kms.master(), SystemClock().Wall()));
  http.tls = std::make_shared<const TlsCertificate>(
      TlsCertificate{std::move(identity.certificate_pem), std::move(identity.key_pem)});
  return StartHttpServer(http, [&kms](const HttpRequest& request) { return kms.Handle(request); });
}

Status AddDialects(EmbeddedKms& kms) {
  const auto exchange = [&kms](const HttpRequest& request) { return kms.Handle(request); };
  kms.Add(TRY(embedded::vault::NewVaultDialect(kms.directory(), kms.master(), exchange,
                                               SystemClock().Wall())));
  kms.Add(TRY(embedded::azure::OpenAzureDialect(kms.directory(), kms.master(), SystemClock())));
  kms.Add(TRY(embedded::google::OpenDialect(kms.directory(), kms.master())));
  return {};
}

Status Serve(const KmsServeOptions& options) {
  StopSignal stop;  // before any thread
  const auto http = TRY(ListenOn("--listen", options.listen, options.allow_remote));
  // TLS may leave this machine.
  const auto tls_http = TRY(ListenOn("--tls-listen", options.tls_listen, true));
  const std::string directory = TRY(KmsDataDirectory(options.data));
  TRY(embedded::CheckStores(directory));
  const auto kms = TRY(EmbeddedKms::Open(directory, SystemClock()));
  TRY(AddDialects(*kms));
  TRY(embedded::RememberStores(directory));
  const auto server =
      TRY(StartHttpServer(http, [&](const HttpRequest& request) { return kms->Handle(request); }));
  const auto tls_server = TRY(ServeTls(tls_http, *kms));
  const auto control = TRY(embedded::StartControlSocket(*kms));
  TRY(kms->WriteConfig(server->Url(), tls_server->Url()));
  TRY(Announce(*kms, *server, *tls_server, options.ready_fd));
  while (!stop.WaitFor(std::chrono::seconds(1))) {
    if (auto done = kms->DoWhatIsDue(); !done.ok()) LogError("kms", done.error().message());
  }
  kms->faults().Clear();  // requests that wait for their latency are answered now
  for (const char* name : {"/endpoint", "/tls-endpoint"}) {
    unlink((directory + name).c_str());  // nobody answers there any more
  }
  return {};
}

// Whole lines of a file that grows.
class LineReader {
 public:
  static Result<LineReader> Open(const std::string& path) {
    return LineReader(TRY(OpenFile(path, O_RDONLY)));
  }
  explicit LineReader(UniqueFd file) : file_(std::move(file)) {}

  // False at the end of what is there now.
  Result<bool> Next(std::string& line) {
    for (;;) {
      if (const auto end = buffer_.find('\n'); end != std::string::npos) {
        line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return true;
      }
      char block[16384];
      const ssize_t n = read(file_.get(), block, sizeof block);
      if (n < 0) return ErrnoError(errno, "reading the event log");
      if (n == 0) return false;
      buffer_.append(block, static_cast<std::size_t>(n));
    }
  }

 private:
  UniqueFd file_;
  std::string buffer_;
};

void PrintEvent(const std::string& line, bool json) {
  const std::string text = json ? line : embedded::FormatEvent(line);
  if (!text.empty()) Print(text);
}

Status PrintLog(const KmsLogOptions& options) {
  const std::string directory = TRY(KmsDataDirectory(options.data));
  LineReader reader = TRY(LineReader::Open(EventLog::PathIn(directory)));
  std::deque<std::string> kept;
  std::string line;
  while (TRY(reader.Next(line))) {
    if (options.last < 0) {
      PrintEvent(line, options.json);
      continue;
    }
    kept.push_back(line);
    if (kept.size() > static_cast<std::size_t>(options.last)) kept.pop_front();
  }
  for (const std::string& event : kept) PrintEvent(event, options.json);
  while (options.follow) {
    while (TRY(reader.Next(line))) PrintEvent(line, options.json);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return {};
}

Status Send(const std::string& data, const boost::json::object& command) {
  const std::string directory = TRY(KmsDataDirectory(data));
  TRY(embedded::SendControl(directory, command));
  return {};
}

Status SetFaults(const KmsFaultOptions& options) {
  if (options.clear) TRY(Send(options.data, {{"command", "clear"}}));
  if (options.expire_sessions) TRY(Send(options.data, {{"command", "expire-sessions"}}));
  const bool any = options.latency_ms != 0 || options.throttle || options.fail ||
                   options.unreachable || options.set_clock_skew;
  if (!any) {
    if (options.clear || options.expire_sessions) return {};
    return Error(ErrorCode::kInvalidArgument,
                 "say which fault: --latency, --throttle, --fail, --unreachable, --clock-skew, "
                 "--expire-sessions or --clear");
  }
  boost::json::object command{{"command", "fault"},
                              {"operation", options.operation},
                              {"latency_ms", options.latency_ms},
                              {"throttle", options.throttle},
                              {"fail", options.fail},
                              {"unreachable", options.unreachable}};
  if (options.set_clock_skew) command["clock_skew_s"] = options.clock_skew_s;
  return Send(options.data, command);
}

int ExitCode(const Status& status, bool json = false) {
  return status.ok() ? 0 : Fail(status.error(), json);
}

}  // namespace

Result<std::string> KmsDataDirectory(const std::string& given) {
  if (!given.empty()) {
    // Absolute, so that what is printed and written works from anywhere.
    if (given.front() == '/') return given;
    char* here = getcwd(nullptr, 0);
    if (here == nullptr) return ErrnoError(errno, "the current directory");
    std::string path = fmt::format("{}/{}", here, given);
    std::free(here);
    return path;
  }
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data == '/') {
    return std::string(data) + "/freehold/kms";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::string(home) + "/.local/share/freehold/kms";
  }
  return Error(ErrorCode::kInvalidArgument, "neither --data, XDG_DATA_HOME nor HOME is set");
}

int RunKmsServe(const KmsServeOptions& options) {
  HardenProcess();
  return ExitCode(Serve(options));
}

int RunKmsLog(const KmsLogOptions& options) { return ExitCode(PrintLog(options), options.json); }

int RunKmsFault(const KmsFaultOptions& options) { return ExitCode(SetFaults(options)); }

int RunKmsAccount(const KmsAccountOptions& options) {
  return ExitCode(
      Send(options.data,
           {{"command", "account"}, {"id", options.account}, {"profile", options.profile}}));
}

}  // namespace freehold::cli
