#include "cli/status_text.h"

#include <boost/json.hpp>

#include "base/clock.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

std::string Text(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  return value.is_null() ? "-" : json::serialize(value);
}

void Line(std::string& out, std::string_view name, const std::string& value) {
  out += fmt::format("{:<18}{}\n", name, value);
}

std::string Milliseconds(const json::value& value) {
  return FormatDuration(std::chrono::milliseconds(value.to_number<std::int64_t>()));
}

void FailureLine(std::string& out, std::string_view name, const json::value& value) {
  if (!value.is_object()) return;
  const json::object& failure = value.as_object();
  Line(out, name,
       fmt::format("{}: {}: {} ({})", Text(failure.at("operation")), Text(failure.at("code")),
                   Text(failure.at("message")), Text(failure.at("class"))));
}

void CustodyLines(std::string& out, const json::object& custody) {
  const std::string reason = Text(custody.at("reason"));
  Line(out, "custody",
       Text(custody.at("state")) + (reason.empty() ? "" : " (" + reason + ")") + " since " +
           Text(custody.at("since")));
  Line(out, "last verified", Text(custody.at("last_verified_at")));
  Line(out, "lease until", Text(custody.at("lease_expires_at")));
  Line(out, "next probe", Text(custody.at("next_probe_at")));
  FailureLine(out, "the KMS says", custody.at("last_failure"));
  if (custody.at("last_denial") != custody.at("last_failure")) {
    FailureLine(out, "it said before", custody.at("last_denial"));
  }
  const json::object& settings = custody.at("settings").as_object();
  if (const json::value* seals_at = custody.if_contains("seals_at");
      seals_at != nullptr && seals_at->is_string()) {
    Line(out, "seals at", Text(*seals_at) + ", unless the key comes back");
  }
  const std::string outage = Milliseconds(settings.at("worst_case_unreachable_ms"));
  if (Text(settings.at("on_denied")) == "alert") {
    Line(out, "at worst", fmt::format("not sealed by a no, {} after an outage begins", outage));
    return;
  }
  Line(out, "at worst",
       fmt::format("sealed {} after a no, {} after an outage begins",
                   Milliseconds(settings.at("worst_case_denied_ms")), outage));
}

void ReencryptionLines(std::string& out, const json::object& progress) {
  Line(out, "re-encryption",
       fmt::format("{}, {} %, {} of {} bytes", Text(progress.at("state")),
                   Text(progress.at("percent")), Text(progress.at("bytes_done")),
                   Text(progress.at("bytes_total"))));
  if (const json::value* rate = progress.if_contains("bytes_per_second"); rate != nullptr) {
    Line(out, "at most", Text(*rate) + " bytes a second");
  }
  for (const json::value& dek : progress.at("deks").as_array()) {
    Line(out, "under DEK",
         fmt::format("{}: {} files, {} bytes", Text(dek.at("id")), Text(dek.at("files")),
                     Text(dek.at("bytes"))));
  }
  if (!Text(progress.at("problem")).empty()) Line(out, "problem", Text(progress.at("problem")));
}

}  // namespace

std::string StatusText(const json::object& status) {
  std::string out;
  Line(out, "volume", Text(status.at("volume")));
  Line(out, "id", Text(status.at("volume_id")));
  Line(out, "cipher", Text(status.at("cipher")));
  Line(out, "keyring", "generation " + Text(status.at("generation")));
  for (const json::value& kek : status.at("keks").as_array()) {
    Line(out, "key", Text(kek.at("key")));
    if (!Text(kek.at("principal")).empty()) Line(out, "principal", Text(kek.at("principal")));
    Line(out, "wrapped", Text(kek.at("wrapped_at")));
  }
  Line(out, "mounted at", Text(status.at("mount_point")));
  if (const json::value* custody = status.if_contains("custody"); custody != nullptr) {
    CustodyLines(out, custody->as_object());
  }
  if (const json::value* progress = status.if_contains("reencryption");
      progress != nullptr && progress->is_object()) {
    ReencryptionLines(out, progress->as_object());
  }
  out.pop_back();
  return out;
}

std::string VerifyText(const json::object& report) {
  std::string out = fmt::format("{} files, {} bytes of plaintext", Text(report.at("files")),
                                Text(report.at("plaintext_bytes")));
  for (const json::value& fault : report.at("faults").as_array()) {
    out += fmt::format("\n{}: {}: {}", fault.at("readable").as_bool() ? "warning" : "fault",
                       Text(fault.at("path")), Text(fault.at("what")));
  }
  out += report.at("sound").as_bool() ? "\nsound" : "\nfaults were found";
  return out;
}

}  // namespace freehold::cli
