// AWS's shared files: kms/aws/aws_config.h. Input: the configuration file, a line of '=', the
// credentials file.
#include "kms/aws/aws_config.h"

#include <sys/mman.h>

#include "fuzz/fuzzing.h"
#include "kms/service/fake_surroundings.h"

using namespace freehold;

namespace {

std::string Put(int file, std::string_view text) {
  FUZZ_EXPECT(ftruncate(file, 0) == 0);
  FUZZ_EXPECT(pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return "/proc/self/fd/" + std::to_string(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int config_file = memfd_create("config", 0);
  static const int credentials_file = memfd_create("credentials", 0);
  const std::string_view text = AsText(ByteView(data, size));
  const std::size_t cut = std::min(text.find("\n====\n"), text.size());
  const auto config = aws::AwsConfig::Load(FakeEnvironment({
      {"AWS_CONFIG_FILE", Put(config_file, text.substr(0, cut))},
      {"AWS_SHARED_CREDENTIALS_FILE", Put(credentials_file, text.substr(std::min(cut + 6, size)))},
      {"AWS_PROFILE", "customer"},
  }));
  if (!config.ok()) return 0;
  (void)config->FindProfile(config->profile_name());
  (void)config->EndpointUrl("kms", "eu-west-1");
  return 0;
}
