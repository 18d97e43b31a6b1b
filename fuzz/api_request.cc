// What anybody may send to the control plane's API: server/route.h, api/.
//
// Input: a line with the path and its query, then the body.
#include <boost/json.hpp>

#include "api/cmek.h"
#include "api/custody_terms.h"
#include "fuzz/fuzzing.h"
#include "server/route.h"

using namespace freehold;

namespace {

// A sentence that anybody's terminal may show.
void ExpectHarmless(const Error& error) {
  FUZZ_EXPECT(!error.message().empty());
  FUZZ_EXPECT(Printable(error.message()) == error.message());
}

void ReadPath(std::string_view target) {
  const auto question = target.find('?');
  const auto parameters =
      server::MatchPath("/api/v1/clusters/{cluster_id}/cmek", target.substr(0, question));
  if (parameters.has_value()) FUZZ_EXPECT(!parameters->at("cluster_id").empty());
  if (question == std::string_view::npos) return;
  auto query = server::ParseQuery(target.substr(question + 1));
  if (!query.ok()) return ExpectHarmless(query.error());
  const auto page = server::Call{{}, {}, std::move(*query), ""}.PageWanted();
  if (!page.ok()) return ExpectHarmless(page.error());
  FUZZ_EXPECT(page->limit >= 1 && page->limit <= 500);
}

void ReadBody(std::string_view text) {
  const auto body = api::ParseObject(text, "the body");
  if (!body.ok()) return ExpectHarmless(body.error());
  api::JsonReader reader(*body, "");
  const auto specs = api::ReadRegionSpecs(reader, "region_specs");
  const Status read = reader.Finish();
  if (!read.ok()) return ExpectHarmless(read.error());
  FUZZ_EXPECT(!specs.empty());
  for (const api::RegionSpec& spec : specs) {
    FUZZ_EXPECT(!spec.region.empty());
    FUZZ_EXPECT(api::ToKeyAccess(spec.key_spec, "").ok());
  }
}

void ReadCustody(std::string_view text) {
  const auto body = api::ParseObject(text, "the body");
  if (!body.ok()) return;
  api::JsonReader change_reader(*body, "");
  const api::CustodyChange change = api::ReadCustodyChange(change_reader);
  if (const Status read = change_reader.Finish(); !read.ok()) {
    ExpectHarmless(read.error());
  } else {
    FUZZ_EXPECT(api::CheckTerms(change.AppliedTo(api::CustodyTerms())).ok());
  }
  api::JsonReader bounds_reader(*body, "");
  api::ReadCustodyBounds(bounds_reader);
  if (const Status read = bounds_reader.Finish(); !read.ok()) ExpectHarmless(read.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  ReadPath(input.Line());
  const std::string body = input.RestText();
  ReadBody(body);
  ReadCustody(body);
  return 0;
}
