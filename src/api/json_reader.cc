#include "api/json_reader.h"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <set>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kDeepest = 16;

// Hears of the fields' names only: Boost's own objects keep the last of two in silence.
struct NameHandler {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  using Code = boost::system::error_code;
  using Text = json::string_view;

  bool on_object_begin(Code&) { return names.emplace_back(), true; }
  bool on_object_end(std::size_t, Code&) { return names.pop_back(), true; }
  bool on_key_part(Text part, std::size_t, Code&) { return name.append(part), true; }
  bool on_key(Text part, std::size_t, Code&) {
    name.append(part);
    if (!names.back().insert(name).second && !twice.has_value()) twice = name;
    name.clear();
    return true;
  }
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_string_part(Text, std::size_t, Code&) { return true; }
  bool on_string(Text, std::size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return true; }
  bool on_uint64(std::uint64_t, Text, Code&) { return true; }
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

  std::vector<std::set<std::string>> names;  // of the objects that are open
  std::string name;
  std::optional<std::string> twice;
};

// In a text that is JSON.
std::optional<std::string> FieldThatIsThereTwice(std::string_view text) {
  json::parse_options options;
  options.max_depth = kDeepest;
  json::basic_parser<NameHandler> parser(options);
  boost::system::error_code error;
  parser.write_some(false, text.data(), text.size(), error);
  return parser.handler().twice;
}

}  // namespace

Result<json::object> ParseObject(std::string_view text, std::string_view what) {
  json::parse_options options;
  options.max_depth = kDeepest;
  boost::system::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (!error) {
    if (const auto twice = FieldThatIsThereTwice(text); twice.has_value()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} has the field '{}' twice", what, Printable(*twice)));
    }
  }
  if (error) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} is not JSON: {}", what, error.message()));
  }
  if (!value.is_object()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} is not a JSON object", what));
  }
  return std::move(value.as_object());
}

JsonReader::JsonReader(const json::object& object, std::string path)
    : object_(object), path_(std::move(path)) {}

std::string JsonReader::Named(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

void JsonReader::Refuse(std::string_view name, std::string_view what) {
  if (fault_.has_value()) return;
  fault_ = Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", Named(name), what));
}

const json::value* JsonReader::Take(std::string_view name) {
  known_.emplace(name);
  const json::value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool JsonReader::Has(std::string_view name) const {
  const json::value* value = object_.if_contains(name);
  return value != nullptr && !value->is_null();
}

std::string JsonReader::Text(std::string_view name) {
  const json::value* value = Take(name);
  if (value == nullptr) return "";
  if (!value->is_string()) {
    Refuse(name, "is not a text");
    return "";
  }
  std::string text(value->as_string());
  if (Printable(text) != text) Refuse(name, "has a character that cannot be printed");
  return text;
}

std::string JsonReader::RequiredText(std::string_view name) {
  std::string text = Text(name);
  if (text.empty()) Refuse(name, "is missing");
  return text;
}

std::optional<bool> JsonReader::Boolean(std::string_view name) {
  const json::value* value = Take(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  Refuse(name, "is neither true nor false");
  return std::nullopt;
}

std::optional<std::int64_t> JsonReader::Integer(std::string_view name) {
  const json::value* value = Take(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return value->as_int64();
  Refuse(name, "is not a whole number");
  return std::nullopt;
}

void JsonReader::Object(std::string_view name, const std::function<void(JsonReader&)>& read) {
  const json::value* value = Take(name);
  if (value == nullptr) return;
  if (!value->is_object()) return Refuse(name, "is not an object");
  JsonReader child(value->as_object(), Named(name));
  read(child);
  Absorb(child);
}

void JsonReader::Objects(std::string_view name, const std::function<void(JsonReader&)>& read) {
  const json::value* value = Take(name);
  if (value == nullptr) return;
  if (!value->is_array()) return Refuse(name, "is not a list");
  std::size_t index = 0;
  for (const json::value& item : value->as_array()) {
    const std::string item_name = fmt::format("{}[{}]", name, index++);
    if (!item.is_object()) return Refuse(item_name, "is not an object");
    JsonReader child(item.as_object(), Named(item_name));
    read(child);
    Absorb(child);
  }
}

std::vector<std::string> JsonReader::Texts(std::string_view name) {
  std::vector<std::string> texts;
  const json::value* value = Take(name);
  if (value == nullptr) return texts;
  if (!value->is_array()) {
    Refuse(name, "is not a list");
    return texts;
  }
  for (const json::value& item : value->as_array()) {
    if (!item.is_string()) {
      Refuse(name, "holds something that is not a text");
      return texts;
    }
    texts.emplace_back(item.as_string());
  }
  return texts;
}

std::vector<std::pair<std::string, std::uint64_t>> JsonReader::Numbers(std::string_view name) {
  std::vector<std::pair<std::string, std::uint64_t>> numbers;
  const json::value* value = Take(name);
  if (value == nullptr) return numbers;
  if (!value->is_object()) {
    Refuse(name, "is not an object");
    return numbers;
  }
  for (const auto& item : value->as_object()) {
    if (!item.value().is_int64() || item.value().as_int64() < 0) {
      Refuse(fmt::format("{}.{}", name, Printable(item.key())), "is not a whole number from 0");
      return numbers;
    }
    numbers.emplace_back(item.key(), static_cast<std::uint64_t>(item.value().as_int64()));
  }
  return numbers;
}

std::map<std::string, std::vector<std::string>> JsonReader::TextLists(std::string_view name) {
  std::map<std::string, std::vector<std::string>> lists;
  const json::value* value = Take(name);
  if (value == nullptr) return lists;
  if (!value->is_object()) {
    Refuse(name, "is not an object");
    return lists;
  }
  JsonReader child(value->as_object(), Named(name));
  for (const auto& item : value->as_object()) lists[item.key()] = child.Texts(item.key());
  Absorb(child);
  return lists;
}

void JsonReader::Absorb(JsonReader& child) {
  if (auto finished = child.Finish(); !finished.ok() && !fault_.has_value()) {
    fault_ = finished.error();
  }
}

Status JsonReader::Finish() {
  for (const auto& field : object_) {
    if (!known_.contains(std::string_view(field.key()))) {
      Refuse(Printable(field.key()), "is not a field of this request");
    }
  }
  if (fault_.has_value()) return *fault_;
  return {};
}

}  // namespace freehold::api
