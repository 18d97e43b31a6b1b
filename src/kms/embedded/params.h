// Params: a JSON request read field by field, with AWS's errors for what is missing or wrong.
//
// A wrong type is SerializationException, a missing or unfit value ValidationException; unknown
// fields are ignored, as AWS does. Threads: a view of the object handed in.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "kms/embedded/aws_failure.h"

namespace freehold::embedded {

AwsFailure ValidationFailure(std::string message);

class Params {
 public:
  explicit Params(const boost::json::object& fields) : fields_(fields) {}

  bool Has(std::string_view name) const;  // there, and not null
  const boost::json::value* Raw(std::string_view name) const { return Find(name); }
  AwsResult<std::string> String(std::string_view name) const;
  AwsResult<std::string> StringOr(std::string_view name, std::string fallback) const;
  AwsResult<std::int64_t> IntOr(std::string_view name, std::int64_t fallback, std::int64_t least,
                                std::int64_t most) const;
  AwsResult<bool> BoolOr(std::string_view name, bool fallback) const;
  AwsResult<Bytes> Blob(std::string_view name, std::size_t most) const;  // at least one byte
  AwsResult<std::map<std::string, std::string>> StringMap(std::string_view name) const;
  AwsResult<std::vector<std::string>> StringList(std::string_view name) const;
  // [{TagKey, TagValue}]
  AwsResult<std::map<std::string, std::string>> Tags(std::string_view name) const;

 private:
  const boost::json::value* Find(std::string_view name) const;
  const boost::json::object& fields_;
};

}  // namespace freehold::embedded
