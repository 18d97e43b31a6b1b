#include "kms/embedded/params.h"

#include "fmt/format.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

AwsFailure WrongType(std::string_view name, std::string_view type) {
  return {"SerializationException", fmt::format("'{}' must be {}", name, type)};
}

AwsFailure Constraint(std::string_view name, std::string_view constraint) {
  std::string member(name);
  member[0] = static_cast<char>(member[0] | 0x20);
  return ValidationFailure(
      fmt::format("1 validation error detected: Value at '{}' failed to satisfy constraint: "
                  "Member must {}",
                  member, constraint));
}

}  // namespace

AwsFailure ValidationFailure(std::string message) {
  return {"ValidationException", std::move(message)};
}

const json::value* Params::Find(std::string_view name) const {
  const json::value* value = fields_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Params::Has(std::string_view name) const { return Find(name) != nullptr; }

AwsResult<std::string> Params::String(std::string_view name) const {
  if (!Has(name)) return Constraint(name, "not be null");
  return StringOr(name, "");
}

AwsResult<std::string> Params::StringOr(std::string_view name, std::string fallback) const {
  const json::value* value = Find(name);
  if (value == nullptr) return fallback;
  if (!value->is_string()) return WrongType(name, "a string");
  return std::string(value->get_string());
}

AwsResult<std::int64_t> Params::IntOr(std::string_view name, std::int64_t fallback,
                                      std::int64_t least, std::int64_t most) const {
  const json::value* value = Find(name);
  if (value == nullptr) return fallback;
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  if (error) return WrongType(name, "an integer");
  if (number < least) {
    return Constraint(name, fmt::format("have value greater than or equal to {}", least));
  }
  if (number > most)
    return Constraint(name, fmt::format("have value less than or equal to {}", most));
  return number;
}

AwsResult<bool> Params::BoolOr(std::string_view name, bool fallback) const {
  const json::value* value = Find(name);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return WrongType(name, "true or false");
  return value->get_bool();
}

AwsResult<Bytes> Params::Blob(std::string_view name, std::size_t most) const {
  const std::string text = AWS_TRY(String(name));
  auto bytes = Base64Decode(text);
  if (!bytes.ok()) return WrongType(name, "base64");
  if (bytes->empty()) return Constraint(name, "have length greater than or equal to 1");
  if (bytes->size() > most) {
    return Constraint(name, fmt::format("have length less than or equal to {}", most));
  }
  return *std::move(bytes);
}

AwsResult<std::map<std::string, std::string>> Params::StringMap(std::string_view name) const {
  std::map<std::string, std::string> map;
  const json::value* value = Find(name);
  if (value == nullptr) return map;
  if (!value->is_object()) return WrongType(name, "a map of strings");
  for (const auto& [key, item] : value->get_object()) {
    if (!item.is_string()) return WrongType(name, "a map of strings");
    map.emplace(key, std::string(item.get_string()));
  }
  return map;
}

AwsResult<std::vector<std::string>> Params::StringList(std::string_view name) const {
  std::vector<std::string> list;
  const json::value* value = Find(name);
  if (value == nullptr) return list;
  if (!value->is_array()) return WrongType(name, "a list of strings");
  for (const json::value& item : value->get_array()) {
    if (!item.is_string()) return WrongType(name, "a list of strings");
    list.emplace_back(item.get_string());
  }
  return list;
}

AwsResult<std::map<std::string, std::string>> Params::Tags(std::string_view name) const {
  std::map<std::string, std::string> tags;
  const json::value* value = Find(name);
  if (value == nullptr) return tags;
  if (!value->is_array()) return WrongType(name, "a list of tags");
  for (const json::value& item : value->get_array()) {
    if (!item.is_object()) return WrongType(name, "a list of tags");
    const Params tag(item.get_object());
    const std::string key = AWS_TRY(tag.String("TagKey"));
    const std::string text = AWS_TRY(tag.String("TagValue"));
    if (key.empty() || key.size() > 128 || text.size() > 256 || key.starts_with("aws:")) {
      return AwsFailure{"TagException", fmt::format("'{}' is not a valid tag", key)};
    }
    if (!tags.emplace(key, text).second) {
      return AwsFailure{"TagException", fmt::format("tag '{}' is given twice", key)};
    }
  }
  return tags;
}

}  // namespace freehold::embedded
