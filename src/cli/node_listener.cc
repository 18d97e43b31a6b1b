#include "cli/node_listener.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "CLI/CLI.hpp"
#include "agent/enrolment.h"
#include "api/cmek.h"
#include "base/posix_file.h"
#include "cli/listen_address.h"
#include "cli/pem_files.h"
#include "cli/private_place.h"
#include "cli/process_limits.h"
#include "crypto/certificate.h"
#include "fmt/format.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace freehold::cli {
namespace {

// An agent holds two connections: for its events and for its reports.
constexpr std::size_t kMostConnections = 32'000;

// Of so many descriptors: some are for the store, and for those who ask over the API.
std::size_t ConnectionLimit(std::size_t descriptors) {
  return std::min(kMostConnections, descriptors - std::min<std::size_t>(descriptors / 4, 2000));
}

// The certificate, once it is there, says that the authority is made. Until then, and in a start
// that was cut off right after it, its key is under another name.
Result<CertificateAndKey> LoadAuthority(const std::string& directory) {
  const std::string certificate_path = directory + "/agents-ca.pem";
  const std::string key_path = directory + "/agents-ca.key";
  const std::string next_key_path = key_path + ".next";
  const UniqueFd alone = TRY(LockBeside(key_path));
  TRY(CheckIsPrivate(key_path));
  TRY(CheckIsPrivate(next_key_path));
  if (PathExists(certificate_path)) {
    if (PathExists(key_path) || !PathExists(next_key_path)) {
      return ReadCertificateAndKey(certificate_path, key_path);
    }
    auto authority = ReadCertificateAndKey(certificate_path, next_key_path);
    if (!authority.ok()) return authority.error().Because(key_path + " is missing");
    TRY(RenameFile(next_key_path, key_path));
    return authority;
  }
  if (PathExists(key_path)) {
    return Error(ErrorCode::kIo, fmt::format("{} is there and {} is not: restore it from a backup",
                                             key_path, certificate_path));
  }
  CertificateAndKey made = TRY(MakeAuthority("Freehold nodes", SystemClock().Wall()));
  TRY(ReplaceFile(next_key_path, made.key_pem.ExposeSecret(), 0600));
  TRY(ReplaceFile(certificate_path, AsBytes(made.certificate_pem), 0644));
  TRY(RenameFile(next_key_path, key_path));
  return made;
}

Result<api::KeySpec> EscrowOf(const NodeListenerFlags& flags) {
  if (flags.escrow_key.empty()) {
    if (flags.escrow_principal.empty()) return api::KeySpec();
    return Error(ErrorCode::kInvalidArgument, "--escrow-principal goes with --escrow-key");
  }
  const KeyUri uri = TRY(KeyUri::Parse(flags.escrow_key));
  api::KeySpec spec{std::string(NameOf(uri.type())), flags.escrow_key, flags.escrow_principal};
  TRY(api::ToKeyAccess(spec, ""));
  return spec;
}

// The host of "https://HOST[:PORT]", as certificates name it.
std::string HostOf(const std::string& authority) {
  if (authority.starts_with("[")) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find(':'));
}

bool IsAddress(const std::string& host) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

class StartedListener : public NodeListener {
 public:
  StartedListener(control::Nodes& nodes, std::string url)
      : nodes_(nodes), url_(std::move(url)), node_server_(nodes, SystemClock()) {}

  // Streams wake their connections: they end while these are still there.
  ~StartedListener() override {
    node_server_.Stop();
    http_.reset();
  }

  Status Start(const HttpServerOptions& options) {
    http_ = TRY(StartHttpServer(
        options, [this](const HttpRequest& request) { return node_server_.Handle(request); }));
    if (url_.empty()) url_ = http_->Url();
    return {};
  }
  std::string Url() const override { return url_; }
  std::string FormatToken(const std::string& id, const std::string& secret) const override {
    return agent::FormatJoinToken({url_, nodes_.authority_pem(), id, secret});
  }

 private:
  control::Nodes& nodes_;
  std::string url_;
  server::NodeServer node_server_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

void AddNodeListenerFlags(CLI::App& command, NodeListenerFlags& flags) {
  command.add_option("--agents-listen", flags.listen,
                     "ADDRESS:PORT for agents, always TLS; none are listened for without it");
  command.add_option("--agents-url", flags.url,
                     "https://HOST:PORT as agents reach it [as it listens]");
  command.add_option(
      "--agents-ca", flags.authority_directory,
      "Where the agents' authority and the keys of audit log and webhooks are kept; servers over "
      "one store share it [--data]");
  command.add_flag(
      "--recover", flags.recover,
      "The store was restored from a backup, or lost: learn from agents what it lacks");
  command.add_option("--escrow-key", flags.escrow_key,
                     "The operator's own key, over clusters without customer-managed keys");
  command.add_option("--escrow-principal", flags.escrow_principal, "By which it is used");
}

Status CheckNodeListenerFlags(const NodeListenerFlags& flags) {
  if (!flags.listen.empty() || (flags.url.empty() && !flags.recover)) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} goes with --agents-listen: no agents are listened for without it",
                           flags.recover ? "--recover" : "--agents-url"));
}

Result<std::unique_ptr<control::Nodes>> NewNodes(control::Store& store,
                                                 const NodeListenerFlags& flags,
                                                 const std::string& data_directory) {
  control::NodeSettings settings;
  settings.escrow = TRY(EscrowOf(flags));
  settings.recovers = flags.recover;
  CertificateAndKey authority = TRY(LoadAuthority(
      flags.authority_directory.empty() ? data_directory : flags.authority_directory));
  return std::make_unique<control::Nodes>(store, SystemClock(), std::move(settings),
                                          std::move(authority));
}

Result<std::unique_ptr<NodeListener>> StartNodeListener(control::Nodes& nodes,
                                                        const NodeListenerFlags& flags) {
  if (flags.listen.empty()) return std::unique_ptr<NodeListener>();
  HttpServerOptions options;
  options.threads = 64;  // most of them wait for the commit of a report, and events must not
  options.connection_limit = ConnectionLimit(RaiseDescriptorLimit());
  TRY(ParseListen("--agents-listen", flags.listen, options));
  const std::string host =
      flags.url.empty() ? options.address : HostOf(TRY(HttpUrl::Parse(flags.url)).authority);
  if (!flags.url.empty() && !flags.url.starts_with("https://")) {
    return Error(ErrorCode::kInvalidArgument, "--agents-url: must begin with https://");
  }
  const bool is_address = IsAddress(host);
  const CertificateAndKey shown = TRY(MakeServerCertificate(
      nodes.authority(), {is_address ? "freehold-server" : host},
      is_address ? std::vector<std::string>{host} : std::vector<std::string>{},
      SystemClock().Wall()));
  TlsCertificate identity{shown.certificate_pem, SecretBytes::CopyOf(shown.key_pem.ExposeSecret()),
                          nodes.authority_pem()};
  options.tls = std::make_shared<const TlsCertificate>(std::move(identity));
  auto listener = std::make_unique<StartedListener>(nodes, flags.url);
  TRY(listener->Start(options));
  return std::unique_ptr<NodeListener>(std::move(listener));
}

}  // namespace freehold::cli
