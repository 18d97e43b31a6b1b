// Mail: one message to one address over SMTP, and whether the server took it.
//
// TLS always, by STARTTLS or from the start (smtps), with the server's certificate verified; plain
// only to a server on loopback that offers none. Errors: kInvalidArgument for what cannot be sent,
// kNotReady with the server's words for everything else. Threads: safe; SendMail blocks.
// Spec: RFC 5321, RFC 3207, RFC 8314; RFC 5322 and RFC 2045 for the message.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold {

struct MailServer {
  std::string url;  // "smtp://mail.example.com:587", "smtps://mail.example.com"
  std::string from;
  std::string user;       // "" = without a login
  SecretBytes password;   // empty = none
  std::string ca_bundle;  // a PEM file; "" = the system's
  Duration connect_timeout = std::chrono::seconds(5);
  Duration total_timeout = std::chrono::seconds(20);
};

struct Mail {
  std::string to;
  std::string subject;  // printable ASCII
  std::string text;     // UTF-8, lines end with \n
  std::string id;       // unique: the left part of the Message-ID
  WallTime date;
};

// An address that can stand in a command and in a header as it is. kInvalidArgument.
Status CheckMailAddress(const std::string& address);
// A server that mail can be sent to.
Status CheckMailServer(const MailServer& server);

Status SendMail(const MailServer& server, const Mail& mail);

// The message's bytes: headers, and the text as quoted-printable.
std::string FormatMail(const std::string& from, const Mail& mail);

}  // namespace freehold
