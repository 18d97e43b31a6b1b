// How `freehold server` reaches contacts: its mail server, and where webhooks may go.
//
// Errors: kInvalidArgument names the option. Threads: main only. Spec: docs/api/contacts.md.
#pragma once

#include <string>
#include <vector>

#include "server/messenger.h"

namespace CLI {
class App;
}

namespace freehold::cli {

struct MessageFlags {
  std::string smtp;  // "" = no mail
  std::string smtp_from;
  std::string smtp_user;
  std::string smtp_password_file;
  std::string smtp_ca;
  std::vector<std::string> webhooks_allow;
  std::string webhooks_ca;
  std::string give_up = "24h";
};
void AddMessageFlags(CLI::App& command, MessageFlags& flags);

Result<server::MessengerOptions> MessengerOptionsOf(const MessageFlags& flags);
Result<control::Outbox::Settings> OutboxSettingsOf(const MessageFlags& flags);

}  // namespace freehold::cli
