// What the fuzz targets share: inputs cut into parts, promises that end the process when broken,
// and the published keys of docs/format/.
//
// A target is a function of one input. It may keep what is costly to make, but nothing that an
// input changed: the same input must do the same again. Fuzz code only.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/page_example.h"
#include "keyring/volume_keys.h"

// What a parser promises beyond not crashing.
#define FUZZ_EXPECT(condition)                                                     \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

namespace freehold {

// Hands out an input from its front.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  std::uint8_t Byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t first = rest_[0];
    rest_ = rest_.subspan(1);
    return first;
  }
  // Up to the next line feed, which is left out.
  std::string Line() {
    const std::string_view text = AsText(rest_);
    const std::size_t end = std::min(text.find('\n'), text.size());
    rest_ = rest_.subspan(std::min(end + 1, rest_.size()));
    return std::string(text.substr(0, end));
  }
  // Lines "name: value" up to an empty one; names in lower case, as net/http.h has them.
  std::vector<std::pair<std::string, std::string>> Headers() {
    std::vector<std::pair<std::string, std::string>> headers;
    for (std::string line = Line(); !line.empty(); line = Line()) {
      const auto colon = std::min(line.find(": "), line.size());
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      headers.emplace_back(name, line.substr(std::min(colon + 2, line.size())));
    }
    return headers;
  }
  ByteView Rest() const { return rest_; }
  std::string RestText() const { return std::string(AsText(rest_)); }

 private:
  ByteView rest_;
};

inline std::string Page(const std::string& name) {
  return std::string(FREEHOLD_SOURCE_DIR) + "/docs/format/" + name;
}

// The KEK and the keys of the pages' examples: what they sign and seal passes its checks.
inline const Kek& ExampleKek() {
  static const Kek kek(
      SecretBytes::CopyOf(PageKeys(Page("keyring.md"), "example-keyring").at("KEK")));
  return kek;
}
inline const VolumeKeys& ExampleKeys() {
  static const VolumeKeys keys = [] {
    const Bytes dump = PageDump(Page("keyring.md"), "example-keyring");
    return *VolumeKeys::Unwrap(*DecodeKeyringUnverified(dump), ExampleKek());
  }();
  return keys;
}

}  // namespace freehold
