// A request to Google's dialect of the embedded KMS, whole: kms/embedded/google/google_dialect.h.
//
// Input: a line "sign" to have it come from the customer, or anything else; the method; the path
// and query below /v1/; the body, in which @BLOB@ stands for what the customer's key encrypted.
#include <stdlib.h>

#include <boost/json.hpp>
#include <filesystem>

#include "base/posix_file.h"
#include "fuzz/fuzzing.h"
#include "kms/embedded/google/google_dialect.h"
#include "kms/service/jwt.h"

using namespace freehold;
using namespace freehold::embedded;

namespace {

constexpr const char* kRings = "/v1/projects/customer-project/locations/l/keyRings";

// Made anew now and then: what inputs make in it stays. Not often, as its accounts need RSA keys.
class Served {
 public:
  Served() {
    FUZZ_EXPECT(mkdtemp(directory_.data()) != nullptr);
    master_ = *MasterKey::Open(directory_, true);
    dialect_ = *google::OpenDialect(directory_, master_);
    FUZZ_EXPECT(dialect_->WriteFiles(directory_, "https://localhost").ok());
    const Bytes file = *ReadFile(directory_ + "/google/customer.json");
    const auto account = boost::json::parse(std::string(AsText(file))).get_object();
    const auto text = [&](const char* name) { return std::string(account.at(name).as_string()); };
    const RsaKey key = *RsaKey::FromPem(SecretBytes::CopyOf(AsBytes(text("private_key"))));
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(Now().since_epoch).count();
    token_ =
        *SignJwt(key, {{"kid", text("private_key_id")}},
                 {{"iss", text("client_email")}, {"aud", "a"}, {"iat", now}, {"exp", now + 3600}});
    Ask("POST", std::string(kRings) + "?keyRingId=r", "{}");
    Ask("POST", std::string(kRings) + "/r/cryptoKeys?cryptoKeyId=k", R"({"purpose":1})");
    const HttpResponse sealed =
        Ask("POST", std::string(kRings) + "/r/cryptoKeys/k:encrypt", R"({"plaintext":"AAAA"})");
    blob_ = boost::json::parse(sealed.body).at("ciphertext").as_string();
  }
  ~Served() {
    dialect_.reset();
    std::filesystem::remove_all(directory_);
  }

  HttpResponse Handle(HttpRequest request, bool sign) {
    if (const auto at = request.body.find("@BLOB@"); at != std::string::npos) {
      request.body.replace(at, 6, blob_);
    }
    if (sign) request.headers.emplace_back("authorization", "Bearer " + token_);
    FUZZ_EXPECT(dialect_->DoWhatIsDue(Now()).ok());
    if (dialect_->OperationOf(request).empty()) return {};
    DialectCall call;
    call.now = Now();
    return dialect_->Handle(request, call);
  }

 private:
  static WallTime Now() { return WallTime{std::chrono::hours(24 * 365 * 56)}; }
  HttpResponse Ask(const std::string& method, const std::string& target, const std::string& body) {
    const HttpResponse answer = Handle({method, target, {}, body, ""}, true);
    FUZZ_EXPECT(answer.status == 200);
    return answer;
  }

  std::string directory_ = "/dev/shm/freehold-fuzz-XXXXXX";
  MasterKey master_;
  std::unique_ptr<Dialect> dialect_;
  std::string token_;
  std::string blob_;
};

Served& FreshEnough() {
  static std::unique_ptr<Served> served;
  static int requests = 0;
  if (served == nullptr || ++requests % 2000 == 0) served = std::make_unique<Served>();
  return *served;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const bool sign = input.Line() == "sign";
  const std::string method = input.Line();
  const std::string target = input.Line();
  if (target.find("keys") != std::string::npos && method == "POST") return 0;  // an RSA key each
  if (target.find("importJobs") != std::string::npos && method == "POST") return 0;
  const bool is_token = target == "token";
  const HttpRequest request{
      method, is_token ? "/token" : "/v1/" + target, {}, input.RestText(), ""};
  const HttpResponse answer = FreshEnough().Handle(request, sign);
  FUZZ_EXPECT(answer.status >= 200 && answer.status < 600);
  return 0;
}
