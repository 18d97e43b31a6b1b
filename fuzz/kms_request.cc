// A request to the embedded KMS, whole: kms/embedded/embedded_kms.h.
//
// Input: a line "sign" to have it signed by the customer, or anything else; the headers; the body,
// in which @KEY@ stands for a key of the customer's and @BLOB@ for what it encrypted.
#include <stdlib.h>

#include <filesystem>

#include "fuzz/fuzzing.h"
#include "kms/embedded/embedded_kms.h"
#include "kms/sigv4.h"

using namespace freehold;
using namespace freehold::embedded;

namespace {

// What stands between quotes after `name` in an answer.
std::string FieldOf(const HttpResponse& answer, const std::string& name) {
  const auto at = answer.body.find("\"" + name + "\":\"");
  FUZZ_EXPECT(at != std::string::npos);
  const auto start = at + name.size() + 4;
  return answer.body.substr(start, answer.body.find('"', start) - start);
}

void ReplaceAll(std::string& text, std::string_view from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// A KMS in memory's file system with one customer and one key. Made anew again and again: what
// inputs make in it stays, and the more there is the slower it gets.
class Served {
 public:
  Served() {
    FUZZ_EXPECT(mkdtemp(directory_.data()) != nullptr);
    kms_ = *EmbeddedKms::Open(directory_, SystemClock());
    for (const std::string& line : ReadPage(directory_ + "/credentials")) {
      const std::string value = line.substr(std::min(line.find('=') + 2, line.size()));
      if (line.starts_with("aws_access_key_id") && access_key_id_.empty()) access_key_id_ = value;
      if (line.starts_with("aws_secret_access_key") && secret_.size() == 0) {
        secret_ = SecretBytes::CopyOf(AsBytes(value));
      }
    }
    key_ = FieldOf(Call("CreateKey", "{}"), "KeyId");
    blob_ =
        FieldOf(Call("Encrypt", "{\"KeyId\":\"@KEY@\",\"Plaintext\":\"AAAA\"}"), "CiphertextBlob");
  }
  ~Served() {
    kms_.reset();
    std::filesystem::remove_all(directory_);
  }

  HttpResponse Handle(HttpRequest request, bool sign) {
    ReplaceAll(request.body, "@KEY@", key_);
    ReplaceAll(request.body, "@BLOB@", blob_);
    if (sign) Sign(request);
    return kms_->Handle(request);
  }

 private:
  HttpResponse Call(const std::string& operation, const std::string& body) {
    return Handle({"POST", "/", {{"x-amz-target", "TrentService." + operation}}, body, ""}, true);
  }

  void Sign(HttpRequest& request) const {
    std::erase_if(request.headers, [](const auto& header) {
      return header.first != "x-amz-target" && header.first != "content-type";
    });
    const WallTime now = SystemClock().Wall();
    request.headers.emplace_back("host", "127.0.0.1");
    request.headers.emplace_back("x-amz-date", SigV4Date(now));
    const bool is_kms = FindHeader(request.headers, "x-amz-target").has_value();
    const bool is_iam = request.body.find("2010-05-08") != std::string::npos;
    const SigV4Scope scope{"eu-west-1", is_kms ? "kms" : is_iam ? "iam" : "sts"};
    request.headers.emplace_back(
        "authorization",
        SigV4Authorization({request.method, request.target, request.headers, request.body}, scope,
                           access_key_id_, secret_, now));
  }

  std::string directory_ = "/dev/shm/freehold-fuzz-XXXXXX";
  std::unique_ptr<EmbeddedKms> kms_;
  std::string access_key_id_;
  SecretBytes secret_;
  std::string key_;
  std::string blob_;
};

Served& FreshEnough() {
  static std::unique_ptr<Served> served;
  static int requests = 0;
  if (served == nullptr || ++requests % 50 == 0) served = std::make_unique<Served>();
  return *served;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const bool sign = input.Line() == "sign";
  const HttpRequest request{"POST", "/", input.Headers(), input.RestText(), "127.0.0.1"};
  const HttpResponse answer = FreshEnough().Handle(request, sign);
  FUZZ_EXPECT(answer.status >= 200 && answer.status < 600);
  return 0;
}
