#include "server/envelope.h"

#include <boost/json.hpp>

#include "crypto/uuid.h"

namespace freehold::server {

namespace json = boost::json;

HttpResponse InEnvelope(HttpResponse response) {
  json::object body = {{"status", response.status}, {"requestId", NewUuid()}};
  json::value inside = json::parse(response.body);  // our own, which is always JSON
  if (response.status < 300) {
    body["result"] = std::move(inside);
  } else {
    body["error"] = inside.at("message");
  }
  response.body = json::serialize(body) + "\n";
  return response;
}

}  // namespace freehold::server
