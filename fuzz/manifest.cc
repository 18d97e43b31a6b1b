// A manifest in YAML, which somebody has sent to whoever runs the command: cli/control/yaml.h.
#include <boost/json.hpp>

#include "cli/control/yaml.h"
#include "fuzz/fuzzing.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const FuzzInput input(data, size);
  const auto value = cli::ParseYaml(input.RestText(), "FILE");
  if (!value.ok()) {
    FUZZ_EXPECT(value.error().code() == ErrorCode::kInvalidArgument);
    FUZZ_EXPECT(Printable(value.error().message()) == value.error().message());
    return 0;
  }
  // JSON is what it becomes, and so it stays.
  const std::string text = boost::json::serialize(*value);
  FUZZ_EXPECT(boost::json::parse(text) == *value);
  return 0;
}
