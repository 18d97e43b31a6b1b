#include "cli/message_flags.h"

#include <string.h>

#include "CLI/CLI.hpp"
#include "base/posix_file.h"
#include "cli/pem_files.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

// The first line, without its end.
Result<SecretBytes> ReadPassword(const std::string& path) {
  Bytes bytes = TRY(ReadRegularFile(path));
  const std::string_view text = AsText(bytes);
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  SecretBytes password = SecretBytes::CopyOf(AsBytes(line));
  explicit_bzero(bytes.data(), bytes.size());
  if (!password.empty()) return password;
  return Error(ErrorCode::kInvalidArgument, fmt::format("{} is empty", path));
}

}  // namespace

void AddMessageFlags(CLI::App& command, MessageFlags& flags) {
  command.add_option("--smtp", flags.smtp,
                     "smtp://HOST:PORT or smtps://HOST: contacts can have e-mail; TLS always, but "
                     "for loopback");
  command.add_option("--smtp-from", flags.smtp_from, "The sender's address");
  command.add_option("--smtp-user", flags.smtp_user, "By which the mail server is logged in to");
  command.add_option("--smtp-password-file", flags.smtp_password_file, "Its password, alone");
  command.add_option("--smtp-ca", flags.smtp_ca, "PEM file of a private authority");
  command.add_option("--webhooks-allow", flags.webhooks_allow,
                     "A network, such as 10.1.0.0/16, that webhooks may go to beside the public "
                     "Internet; may be repeated");
  command.add_option("--webhooks-ca", flags.webhooks_ca, "PEM file of a private authority");
  command
      .add_option("--messages-give-up", flags.give_up,
                  "For how long a message that cannot be delivered is tried again")
      ->capture_default_str();
}

Result<server::MessengerOptions> MessengerOptionsOf(const MessageFlags& flags) {
  server::MessengerOptions options;
  auto policy = AddressPolicy::Allowing(flags.webhooks_allow);
  if (!policy.ok()) return policy.error().Because("--webhooks-allow");
  options.addresses = std::make_shared<const AddressPolicy>(std::move(*policy));
  if (auto good = CheckHoldsCertificate(flags.webhooks_ca); !good.ok()) {
    return good.error().Because("--webhooks-ca");
  }
  options.webhook_ca = flags.webhooks_ca;
  if (flags.smtp.empty()) {
    if (flags.smtp_from.empty() && flags.smtp_user.empty()) return options;
    return Error(ErrorCode::kInvalidArgument, "--smtp-from and --smtp-user go with --smtp");
  }
  MailServer mail;
  mail.url = flags.smtp;
  mail.from = flags.smtp_from;
  mail.user = flags.smtp_user;
  if (auto good = CheckHoldsCertificate(flags.smtp_ca); !good.ok()) {
    return good.error().Because("--smtp-ca");
  }
  mail.ca_bundle = flags.smtp_ca;
  if (!flags.smtp_password_file.empty())
    mail.password = TRY(ReadPassword(flags.smtp_password_file));
  if (auto good = CheckMailServer(mail); !good.ok()) return good.error().Because("--smtp");
  options.mail = std::make_shared<const MailServer>(std::move(mail));
  return options;
}

Result<control::Outbox::Settings> OutboxSettingsOf(const MessageFlags& flags) {
  control::Outbox::Settings settings;
  auto give_up = ParseDuration(flags.give_up);
  if (!give_up.ok()) return give_up.error().Because("--messages-give-up");
  settings.give_up = *give_up;
  return settings;
}

}  // namespace freehold::cli
