// What AWS, or whoever answers in its place, may send: kms/aws/.
//
// Input: a byte that chooses the request, the status, the headers, the body.
#include "fuzz/fuzzing.h"
#include "fuzz/no_network.h"
#include "kms/aws/aws_kms_client.h"
#include "kms/aws/credentials.h"
#include "kms/aws/fake_answers.h"
#include "kms/aws/sts.h"

using namespace freehold;
using namespace freehold::aws;

namespace {

constexpr char kArn[] =
    "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

void Ask(std::uint8_t which) {
  static const Surroundings surroundings =
      FakeSurroundings({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/"}});
  static const ServiceEndpoint endpoint{"https://127.0.0.1", {"eu-west-1", "kms"}, ""};
  AwsKmsClient kms(endpoint, TestCredentials(), kArn, surroundings);
  StsClient sts(endpoint, surroundings);
  const EncryptionContext context{{"freehold:purpose", "kek"}};
  switch (which % 9) {
    case 0:
      return void(kms.Encrypt(SecretBytes::CopyOf(Bytes(32, 1)), context));
    case 1: {
      const auto answer = kms.Decrypt({Bytes(10), "", ""}, context);
      FUZZ_EXPECT(!answer.has_value() || answer->plaintext.size() > 0);
      return;
    }
    case 2:
      return void(kms.GenerateDataKey(context));
    case 3:
      return void(kms.DescribeKey());
    case 4:
      return void(kms.GetKeyRotationStatus());
    case 5:
      return void(sts.AssumeRole(TestCredentials(), "arn:aws:iam::111122223333:role/r", "id"));
    case 6:
      return void(sts.GetCallerIdentity(TestCredentials()));
    case 7:
      return void(ContainerSource(surroundings).Fetch());
    default:
      return void(InstanceMetadataSource(surroundings).Fetch());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::uint8_t which = input.Byte();
  HttpResponse answer;
  answer.status = std::atoi(input.Line().substr(0, 3).c_str());
  answer.headers = input.Headers();
  answer.body = input.RestText();
  AnswerEveryRequestWith(answer);
  Ask(which);
  return 0;
}
