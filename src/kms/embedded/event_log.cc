#include "kms/embedded/event_log.h"

#include <fcntl.h>

#include <boost/json.hpp>

#include "base/log.h"
#include "kms/embedded/ids.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

json::object IdentityOf(const Call& call) {
  const Principal& caller = call.caller;
  if (caller.account.empty()) return {{"type", "Unknown"}, {"accessKeyId", call.access_key_id}};
  const char* type = caller.kind == Principal::Kind::kRoot   ? "Root"
                     : caller.kind == Principal::Kind::kUser ? "IAMUser"
                                                             : "AssumedRole";
  json::object identity{{"type", type},
                        {"principalId", caller.id},
                        {"arn", caller.Arn()},
                        {"accountId", caller.account},
                        {"accessKeyId", call.access_key_id}};
  if (caller.kind == Principal::Kind::kUser) identity["userName"] = caller.name;
  if (caller.kind == Principal::Kind::kRoleSession) {
    identity["sessionContext"] = {
        {"sessionIssuer",
         {{"type", "Role"}, {"arn", caller.PolicyArn()}, {"userName", caller.name}}}};
  }
  return identity;
}

// Headers and forms may hold any bytes; a line that no reader could parse would hide its event.
std::string AsJsonLine(const json::object& event) {
  std::string line = json::serialize(event);
  boost::system::error_code error;
  json::parse(line, error);
  if (error) {
    for (char& c : line) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return line + "\n";
}

std::string TextAt(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

std::string FormatContext(const json::object& parameters) {
  std::string text;
  for (const std::string_view name :
       {"encryptionContext", "sourceEncryptionContext", "destinationEncryptionContext"}) {
    const json::value* context = parameters.if_contains(name);
    if (context != nullptr && context->is_object() && !context->get_object().empty()) {
      text += " " + json::serialize(*context);
    }
  }
  return text;
}

}  // namespace

Status EventLog::Open(const std::string& directory) {
  file_ = TRY(OpenFile(PathIn(directory), O_WRONLY | O_APPEND | O_CREAT, 0600));
  return {};
}

void EventLog::Append(const Call& call, const EventOutcome& outcome) {
  json::object event{{"eventVersion", "1.08"},
                     {"userIdentity", IdentityOf(call)},
                     {"eventTime", FormatTime(call.now)},
                     {"eventSource", fmt::format("{}.amazonaws.com", outcome.service)},
                     {"eventName", outcome.operation},
                     {"awsRegion", call.region},
                     {"sourceIPAddress", outcome.source_address},
                     {"userAgent", outcome.user_agent.substr(0, 256)}};
  if (outcome.failure != nullptr) {
    event["errorCode"] = outcome.failure->code;
    event["errorMessage"] = outcome.failure->message;
  }
  event["requestParameters"] = call.parameters;
  if (!call.key_material_id.empty()) {
    event["additionalEventData"] = {{"keyMaterialId", call.key_material_id}};
  }
  event["requestID"] = call.request_id;
  event["eventID"] = NewUuid();
  event["readOnly"] = outcome.read_only;
  json::array resources;
  if (!call.key_arn.empty()) {
    resources.push_back(
        {{"accountId", call.key_account}, {"type", "AWS::KMS::Key"}, {"ARN", call.key_arn}});
  }
  event["resources"] = std::move(resources);
  event["eventType"] = "AwsApiCall";
  event["recipientAccountId"] = call.key_account.empty() ? call.caller.account : call.key_account;
  Write(event);
}

void EventLog::Append(const DialectCall& call, std::string_view source, std::string_view operation,
                      const HttpRequest& request) {
  const std::string agent = FindHeader(request.headers, "user-agent").value_or("");
  json::object event{{"eventVersion", "1.08"},
                     {"userIdentity", {{"arn", call.caller}}},
                     {"eventTime", FormatTime(call.now)},
                     {"eventSource", source},
                     {"eventName", operation},
                     {"sourceIPAddress", request.peer},
                     {"userAgent", agent.substr(0, 256)}};
  if (!call.error_code.empty()) {
    event["errorCode"] = call.error_code;
    event["errorMessage"] = call.error_message;
  }
  event["requestParameters"] = call.parameters;
  event["requestID"] = call.request_id;
  event["eventID"] = NewUuid();
  event["readOnly"] = call.read_only;
  json::array resources;
  if (!call.key.empty()) resources.push_back(json::object{{"ARN", call.key}});
  event["resources"] = std::move(resources);
  Write(event);
}

void EventLog::Write(const json::object& event) {
  const std::string line = AsJsonLine(event);
  const std::lock_guard lock(mutex_);
  if (auto written = WriteAll(file_.get(), AsBytes(line)); !written.ok()) {
    LogError("kms", written.error().Because("events.jsonl").message());
  }
}

std::string FormatEvent(std::string_view json_line) {
  boost::system::error_code error;
  const json::value event = json::parse({json_line.data(), json_line.size()}, error);
  if (error || !event.is_object()) return "";
  const json::object& fields = event.get_object();
  const json::object none;
  const auto object_at = [&](std::string_view name) -> const json::object& {
    const json::value* value = fields.if_contains(name);
    return value != nullptr && value->is_object() ? value->get_object() : none;
  };
  std::string key;
  if (const json::value* list = fields.if_contains("resources"); list != nullptr) {
    if (list->is_array() && !list->get_array().empty() && list->get_array()[0].is_object()) {
      key = TextAt(list->get_array()[0].get_object(), "ARN");
    }
  }
  const json::object& parameters = object_at("requestParameters");
  if (key.empty()) key = TextAt(parameters, "keyId");
  if (key.empty()) key = TextAt(parameters, "roleArn");
  std::string who = TextAt(object_at("userIdentity"), "arn");
  if (who.empty()) who = "unknown caller";
  const std::string code = TextAt(fields, "errorCode");
  std::string line = fmt::format("{} {:<24} {:<26} {} {}{}{}", TextAt(fields, "eventTime"),
                                 TextAt(fields, "eventName"), code.empty() ? "ok" : code, who,
                                 key.empty() ? "-" : key, FormatContext(parameters),
                                 code.empty() ? "" : " -- " + TextAt(fields, "errorMessage"));
  // What a client sent must not steer the terminal of whoever reads the log.
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return line;
}

}  // namespace freehold::embedded
