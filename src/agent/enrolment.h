// Enrolment: how a host becomes a node: a join token, once; then a certificate, renewed at half its
// life.
//
// A token carries all that is needed: where the server is, the authority by which to know it, and a
// secret that counts once and for an hour. What a node keeps lies in its state directory (0700):
// server, authority, certificate and private key. Errors: kInvalidArgument for a text that is no
// token, kUnauthenticated when the server does not take it, kNotReady when it does not answer.
// Threads: one at a time. Spec: docs/api/agents.md.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "net/http_client.h"

namespace freehold::agent {

struct JoinTokenText {
  std::string server;  // "https://control.example.com:8444"
  std::string authority_pem;
  std::string id;
  std::string secret;
};
std::string FormatJoinToken(const JoinTokenText& token);  // "fhj_..."
Result<JoinTokenText> ParseJoinToken(std::string_view text);

// What a node is known by, and how it reaches its server.
struct Identity {
  std::string node;
  std::string server;
  HttpOptions http;  // with authority, certificate and key
  WallTime renew_at;
};

// kNotFound when this host has not joined.
Result<Identity> LoadIdentity(const std::string& state_directory);
// The key is made here and kept before it is shown, so that a join whose answer was lost can be
// repeated with the same token.
Result<Identity> Join(const std::string& state_directory, const JoinTokenText& token);
// Another key and certificate; the present ones stay until these are in their place.
Result<Identity> Renew(const std::string& state_directory, const Identity& present);

// The server's answer as an Error where it is one.
Result<std::string> Ask(const std::string& server, const HttpOptions& options,
                        const std::string& path, std::string body);

}  // namespace freehold::agent
