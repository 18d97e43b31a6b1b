// Key material of the customer's own: import jobs, and versions made from what was wrapped to them.
#include <algorithm>
#include <array>

#include "base/log.h"
#include "crypto/rsa.h"
#include "fmt/format.h"
#include "kms/embedded/google/keys.h"
#include "kms/embedded/google/operations.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

struct Method {
  std::string_view name;
  int bits;
  OaepDigest digest;
  bool with_aes;  // RSA wraps an AES key, which wraps the material (RFC 5649)
};

constexpr std::array kMethods = {
    Method{"RSA_OAEP_3072_SHA1_AES_256", 3072, OaepDigest::kSha1, true},
    Method{"RSA_OAEP_4096_SHA1_AES_256", 4096, OaepDigest::kSha1, true},
    Method{"RSA_OAEP_3072_SHA256_AES_256", 3072, OaepDigest::kSha256, true},
    Method{"RSA_OAEP_4096_SHA256_AES_256", 4096, OaepDigest::kSha256, true},
    Method{"RSA_OAEP_3072_SHA256", 3072, OaepDigest::kSha256, false},
    Method{"RSA_OAEP_4096_SHA256", 4096, OaepDigest::kSha256, false},
};

constexpr auto kLifetime = std::chrono::hours(3 * 24);

const Method& MethodOf(const ImportJob& job) {
  return *std::find_if(kMethods.begin(), kMethods.end(),
                       [&](const Method& method) { return method.name == job.method; });
}

json::object ShowJob(const std::string& name, const ImportJob& job, WallTime now) {
  const bool is_active = now < job.expires;
  json::object shown{{"name", name},
                     {"importMethod", job.method},
                     {"protectionLevel", job.protection_level},
                     {"createTime", FormatTime(job.created)},
                     {"generateTime", FormatTime(job.created)},
                     {"expireTime", FormatTime(job.expires)},
                     {"state", is_active ? "ACTIVE" : "EXPIRED"}};
  if (is_active) shown["publicKey"] = {{"pem", job.public_pem}};
  return shown;
}

GoogleFailure Broken(const Error& error) {
  LogError("kms", error.message());
  return Internal();
}

std::string LabelOf(const std::string& name) { return "google import job " + name; }

GoogleResult<SecretBytes> Unwrapped(const Operation& op, const std::string& job_name,
                                    const ImportJob& job, ByteView wrapped) {
  const auto pem = op.master.Unseal(job.private_pem, LabelOf(job_name));
  if (!pem.ok()) return Broken(pem.error());
  const auto key = RsaKey::FromPem(*pem);
  if (!key.ok()) return Broken(key.error());
  const Method& method = MethodOf(job);
  const std::size_t rsa_size = static_cast<std::size_t>(method.bits) / 8;
  const GoogleFailure bad = InvalidArgument("The wrapped key cannot be unwrapped.");
  if (wrapped.size() < rsa_size || (!method.with_aes && wrapped.size() != rsa_size)) return bad;
  auto first = key->OaepDecrypt(method.digest, wrapped.first(rsa_size));
  if (!first.ok()) return bad;
  if (!method.with_aes) return *std::move(first);
  auto material = AesKeyUnwrap(*first, wrapped.subspan(rsa_size), true);
  if (!material.ok()) return bad;
  return *std::move(material);
}

}  // namespace

Answer CreateImportJob(Operation& op) {
  const std::string ring = op.target.Parent();
  GOOGLE_TRY(op.Authorize("cloudkms.importJobs.create", ring));
  const auto id = op.target.query.find("importJobId");
  if (id == op.target.query.end() || !IsResourceId(id->second)) {
    return InvalidArgument("The import_job_id must match [a-zA-Z0-9_-]{1,63}.");
  }
  std::vector<std::string_view> names = {""};
  for (const Method& method : kMethods) names.push_back(method.name);
  ImportJob job;
  job.method = GOOGLE_TRY(EnumIn(op.body, "importMethod", names));
  job.protection_level = GOOGLE_TRY(EnumIn(op.body, "protectionLevel", {"", "SOFTWARE", "HSM"}));
  if (job.method.empty() || job.protection_level.empty()) {
    return InvalidArgument("import_method and protection_level must be set.");
  }
  job.created = op.call.now;
  job.expires = op.call.now + kLifetime;
  const std::string name = op.resource() + "/" + id->second;
  const auto key = RsaKey::Generate(MethodOf(job).bits);
  if (!key.ok()) return Broken(key.error());
  job.public_pem = key->PublicPem();
  auto sealed = op.master.Seal(key->PrivatePem(), LabelOf(name));
  if (!sealed.ok()) return Broken(sealed.error());
  job.private_pem = *std::move(sealed);
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    if (!state.key_rings.contains(ring)) return NotFound("KeyRing " + ring);
    if (!state.import_jobs.emplace(name, job).second) return AlreadyExists("ImportJob " + name);
    return {};
  }));
  return ShowJob(name, job, op.call.now);
}

Answer GetImportJob(Operation& op) {
  GOOGLE_TRY(op.Authorize("cloudkms.importJobs.get"));
  const auto job = op.state->import_jobs.find(op.resource());
  if (job == op.state->import_jobs.end()) return NotFound("ImportJob " + op.resource());
  return ShowJob(job->first, job->second, op.call.now);
}

Answer ListImportJobs(Operation& op) {
  GOOGLE_TRY(op.Authorize("cloudkms.importJobs.list", op.target.Parent()));
  json::array jobs;
  for (const auto& [name, job] : op.state->import_jobs) {
    if (name.starts_with(op.resource() + "/")) jobs.push_back(ShowJob(name, job, op.call.now));
  }
  return ShowList("importJobs", std::move(jobs));
}

Answer ImportVersion(Operation& op) {
  const std::string key_name = op.target.Parent();
  op.call.key = key_name;
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeyVersions.create", key_name));
  const std::string job_name = TextIn(op.body, "importJob");
  GOOGLE_TRY(op.Authorize("cloudkms.importJobs.useToImport", job_name));
  const auto job = op.state->import_jobs.find(job_name);
  if (job == op.state->import_jobs.end()) return NotFound("ImportJob " + job_name);
  if (op.call.now >= job->second.expires) {
    return FailedPrecondition(job_name + " is not active, current state is: EXPIRED.");
  }
  const bool old_name = op.body.contains("rsaAesWrappedKey");
  const Bytes wrapped = GOOGLE_TRY(BytesIn(op.body, old_name ? "rsaAesWrappedKey" : "wrappedKey"));
  const SecretBytes material = GOOGLE_TRY(Unwrapped(op, job_name, job->second, wrapped));
  if (material.size() != kKeySize) {
    return InvalidArgument("GOOGLE_SYMMETRIC_ENCRYPTION needs key material of 32 bytes.");
  }
  int number = 0;
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    CryptoKey* key = GOOGLE_TRY(FindKey(state, key_name));
    number = key->versions.empty() ? 1 : key->versions.rbegin()->first + 1;
    Version version;
    version.created = op.call.now;
    version.import_job = job_name;
    version.material = GOOGLE_TRY(SealMaterial(op.master, key_name, number, material));
    key->versions[number] = std::move(version);
    return {};
  }));
  return ShowVersion(key_name, number, op.state->keys.at(key_name));
}

}  // namespace freehold::embedded::google
