#include "cli/server_command.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "CLI/CLI.hpp"
#include "api/cluster_identity.h"
#include "base/file_lock.h"
#include "base/log.h"
#include "base/posix_file.h"
#include "base/stop_signal.h"
#include "cli/audit_key.h"
#include "cli/listen_address.h"
#include "cli/message_flags.h"
#include "cli/node_listener.h"
#include "cli/output.h"
#include "cli/pem_files.h"
#include "cli/private_place.h"
#include "cli/webhook_key.h"
#include "crypto/uuid.h"
#include "fmt/format.h"
#include "server/api_server.h"
#include "server/metrics_server.h"
#include "store/postgresql/postgresql_store.h"
#include "store/sqlite/sqlite_store.h"

namespace freehold::cli {
namespace {

struct ServerOptions {
  std::string data;
  std::string store;
  std::string listen = "127.0.0.1:8443";
  std::string metrics_listen;
  std::string certificate;
  std::string key;
  std::string account_id;
  std::vector<std::string> identities;
  NodeListenerFlags nodes;
  MessageFlags messages;
  bool insecure = false;
  int requests_per_second = 10;
  std::string restore_wait = "72h";
  int ready_fd = -1;
};

// With TLS, or on loopback and without when that is said.
Result<HttpServerOptions> HttpOptionsOf(const ServerOptions& options) {
  HttpServerOptions http;
  http.clear_text_advice = "give --tls-certificate and --tls-key in place of --insecure";
  http.threads = 64;  // most of them wait for nodes, control/key_trials.h
  TRY(ParseListen("--listen", options.listen, http));
  if (options.requests_per_second < 1 || options.requests_per_second > 100'000) {
    return Error(ErrorCode::kInvalidArgument, "--requests-per-second: must be 1 to 100000");
  }
  if (options.insecure) {
    if (!options.certificate.empty() || !options.key.empty()) {
      return Error(ErrorCode::kInvalidArgument, "--insecure means that there is no certificate");
    }
    TRY(CheckListenAddress(http));
    return http;
  }
  if (options.certificate.empty() || options.key.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "give --tls-certificate and --tls-key, or --insecure to serve this machine alone");
  }
  CertificateAndKey shown = TRY(ReadCertificateAndKey(options.certificate, options.key));
  TlsCertificate identity{std::move(shown.certificate_pem), std::move(shown.key_pem)};
  http.tls = std::make_shared<const TlsCertificate>(std::move(identity));
  TRY(CheckListenAddress(http));
  return http;
}

// Long enough that who is told can answer.
Result<Duration> RestoreWaitOf(const std::string& text) {
  auto wait = ParseDuration(text);
  if (!wait.ok()) return wait.error().Because("--restore-wait");
  if (*wait >= std::chrono::hours(1)) return wait;
  return Error(ErrorCode::kInvalidArgument, "--restore-wait: must be at least 1h");
}

// One server for each data directory.
Result<UniqueFd> LockData(const std::string& data) {
  UniqueFd file = TRY(OpenFile(data + "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW));
  TRY(LockAlone(file, data, fmt::format("another server runs on {}", data)));
  return file;
}

// Nothing for the file in the data directory.
Result<std::optional<store::DatabaseUrl>> DatabaseOf(const ServerOptions& options) {
  if (options.store.empty()) return std::optional<store::DatabaseUrl>();
  const char* sslmode = std::getenv("PGSSLMODE");
  return std::optional(
      TRY(store::DatabaseUrl::Parse(options.store, sslmode == nullptr ? "" : sslmode)));
}

// Null without --metrics-listen. In the clear, also beyond loopback when that is said: it shows no
// keys.
Result<std::unique_ptr<HttpServer>> StartMetrics(const ServerOptions& options,
                                                 server::MetricsServer& metrics) {
  if (options.metrics_listen.empty()) return std::unique_ptr<HttpServer>();
  HttpServerOptions http;
  http.threads = 2;
  http.allow_remote = true;
  TRY(ParseListen("--metrics-listen", options.metrics_listen, http));
  return StartHttpServer(
      http, [&metrics](const HttpRequest& request) { return metrics.Handle(request); });
}

std::string_view Words(control::Durability durability) {
  switch (durability) {
    case control::Durability::kLocal:
      return "local: what was acknowledged is on this machine's disk";
    case control::Durability::kSynchronous:
      return "synchronous: what was acknowledged is on a second machine";
    case control::Durability::kAsynchronous:
      return "asynchronous: what was acknowledged may be lost when a standby takes over";
    case control::Durability::kUnknown:
      break;
  }
  return "as the database has it, which it does not say";
}

// The audit key is made after the store: where it is, an empty file is what something else has left
// of one.
Status CheckStoreIsThere(const std::string& path, const std::string& keys, bool recovers) {
  struct stat st = {};
  const bool is_empty = stat(path.c_str(), &st) != 0 || st.st_size == 0;
  if (!is_empty || recovers || !PathExists(keys + "/audit.key")) return {};
  return Error(ErrorCode::kIo,
               fmt::format("{} is missing or empty, and this is no first start: restore it from a "
                           "backup, or start with --recover to learn from the agents",
                           path));
}

Result<std::unique_ptr<control::Store>> OpenStore(const std::optional<store::DatabaseUrl>& database,
                                                  const ServerOptions& options,
                                                  const std::string& keys) {
  if (!database.has_value()) {
    const std::string path = options.data + "/freehold.db";
    TRY(CheckStoreIsThere(path, keys, options.nodes.recover));
    return store::OpenSqliteStore(path);
  }
  auto store = TRY(store::OpenPostgresqlStore(*database));
  Print(fmt::format("the store is at {}; durability {}", database->place(),
                    Words(TRY(store->HowDurable()))));
  return store;
}

Status Serve(const ServerOptions& options) {
  StopSignal stop;
  if (options.data.empty()) {
    return Error(ErrorCode::kInvalidArgument, "--data: names no directory");
  }
  TRY(CheckNodeListenerFlags(options.nodes));
  const HttpServerOptions http = TRY(HttpOptionsOf(options));
  const Duration restore_wait = TRY(RestoreWaitOf(options.restore_wait));
  const auto database = TRY(DatabaseOf(options));
  server::MessengerOptions messenger_options = TRY(MessengerOptionsOf(options.messages));
  const auto outbox_settings = TRY(OutboxSettingsOf(options.messages));
  TRY(MakeDirectories(options.data, 0700));
  TRY(CheckIsPrivate(options.data));
  const UniqueFd alone = TRY(LockData(options.data));
  const std::string keys =
      options.nodes.authority_directory.empty() ? options.data : options.nodes.authority_directory;
  const auto opened = TRY(OpenStore(database, options, keys));
  control::CountingStore store(*opened);
  const auto nodes = TRY(NewNodes(store, options.nodes, options.data));
  control::AuditLog log(store, SystemClock(), TRY(LoadAuditKey(keys)));
  const control::WebhookKey webhook_key(TRY(LoadWebhookKey(keys)));
  TRY(log.Begin());
  const auto listener = TRY(StartNodeListener(*nodes, options.nodes));
  server::RequestCounter requests;
  auto identities = TRY(api::ParseClusterIdentities(options.identities));
  server::ApiOptions api_options{options.requests_per_second, restore_wait, options.account_id,
                                 std::move(identities),       nullptr,      &requests};
  api_options.webhook_key = &webhook_key;
  api_options.webhook_addresses = messenger_options.addresses;
  api_options.sends_mail = messenger_options.mail != nullptr;
  control::Outbox outbox(store, SystemClock(), NewUuid(), outbox_settings);
  const server::Messenger messenger(outbox, webhook_key, SystemClock(),
                                    std::move(messenger_options));
  server::MetricsServer metrics(store, requests, messenger, SystemClock());
  if (listener != nullptr) {
    api_options.format_join_token = [&](const std::string& id, const std::string& secret) {
      return listener->FormatToken(id, secret);
    };
  }
  server::ApiServer api(store, *nodes, log, SystemClock(), std::move(api_options));
  const auto server = TRY(
      StartHttpServer(http, [&api](const HttpRequest& request) { return api.Handle(request); }));
  const auto metrics_listener = TRY(StartMetrics(options, metrics));
  // For people and scripts. On a full disk there is none, and what is there can be read all the
  // same.
  const Status told = ReplaceFile(options.data + "/endpoint", AsBytes(server->Url() + "\n"), 0644);
  if (!told.ok()) LogWarning("server", told.error().message());
  Print(fmt::format("listening on {}", server->Url()));
  if (listener != nullptr) Print(fmt::format("listening for agents on {}", listener->Url()));
  if (metrics_listener != nullptr) {
    Print(fmt::format("metrics are at {}/metrics", metrics_listener->Url()));
  }
  TRY(control::Credentials(store, SystemClock()).Bootstrap([](const std::string& secret) {
    return PrintForSure(fmt::format("the operator's API key, shown this once: {}", secret));
  }));
  if (options.ready_fd >= 0) {
    TRY(WriteAll(options.ready_fd, AsBytes("READY\n")));
    close(options.ready_fd);
  }
  while (!stop.WaitFor(std::chrono::seconds(3600))) {
  }
  return {};
}

}  // namespace

void AddServer(CLI::App& app, int& exit_code) {
  static ServerOptions options;
  CLI::App* server = app.add_subcommand("server", "The control plane: customers manage their keys");
  server->add_option("--data", options.data, "This server's own directory; its store too, usually")
      ->required();
  server
      ->add_option(
          "--store", options.store,
          "postgresql://...: the store is in this database, which other servers may share; "
          "give the password in PGPASSWORD, PGPASSFILE or FREEHOLD_STORE, as everybody on "
          "this machine can read the arguments of a command")
      ->envname("FREEHOLD_STORE");
  server->add_option("--listen", options.listen, "ADDRESS:PORT; port 0 takes any free one")
      ->capture_default_str();
  server->add_option("--metrics-listen", options.metrics_listen,
                     "ADDRESS:PORT for /metrics, /healthz and /readyz, without TLS and without "
                     "keys: keep it on a network of your own");
  server->add_option("--tls-certificate", options.certificate, "PEM, with the whole chain");
  server->add_option("--tls-key", options.key, "PEM");
  AddNodeListenerFlags(*server, options.nodes);
  AddMessageFlags(*server, options.messages);
  server->add_flag("--insecure", options.insecure, "No TLS: for loopback only");
  server->add_option("--cluster-identity", options.identities,
                     "TYPE=TEMPLATE that agents take on for a cluster, with {cluster_id} in it: "
                     "shown to customers as whom to trust; may be repeated");
  server->add_option("--account-id", options.account_id,
                     "The cloud account that customers are to trust, shown with each cluster");
  server
      ->add_option("--requests-per-second", options.requests_per_second,
                   "Of one service account; more are told to wait")
      ->capture_default_str();
  server
      ->add_option("--restore-wait", options.restore_wait,
                   "How old a customer's service account and API key must be to restore what was "
                   "revoked before they were made; at least 1h, and the same for all servers over "
                   "one store")
      ->capture_default_str();
  server->add_option("--ready-fd", options.ready_fd, "Descriptor that gets READY when serving");
  server->callback([&exit_code] {
    // It holds no KEK and no DEK; and locked memory is too little for the connections of strangers.
    RefuseCoreFiles();
    const Status served = Serve(options);
    exit_code = served.ok() ? 0 : Fail(served.error());
  });
}

}  // namespace freehold::cli
