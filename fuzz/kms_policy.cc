// A policy document, and requests judged by it: kms/embedded/policy.h.
#include "fuzz/fuzzing.h"
#include "kms/embedded/policy.h"

using namespace freehold;
using namespace freehold::embedded;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = AsText(ByteView(data, size));
  for (const PolicyKind kind : {PolicyKind::kKey, PolicyKind::kTrust, PolicyKind::kIdentity}) {
    const auto policy = Policy::Parse(text, kind);
    if (!policy.ok()) {
      FUZZ_EXPECT(policy.error().code() == ErrorCode::kInvalidArgument);
      continue;
    }
    (void)policy->NamedPrincipals();
    PolicyRequest request;
    request.caller = {Principal::Kind::kUser, "111122223333", "freehold", "", "AIDATEST"};
    request.action = "kms:Decrypt";
    request.resource = "arn:aws:kms:eu-west-1:111122223333:key/1234";
    request.conditions = {{"kms:viaservice", {"s3.eu-west-1.amazonaws.com"}},
                          {"kms:encryptioncontext:freehold:purpose", {"kek"}},
                          {"aws:sourceip", {"127.0.0.1"}}};
    (void)policy->Evaluate(request);
  }
  return 0;
}
