#include "node/profile_fields.h"

#define TOML_HEADER_ONLY 1
// What toml++ 3.3 asserts of a table's header, a file can break; its own check comes after that.
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>

#include "fmt/format.h"
#include "fmt/ranges.h"

namespace freehold {
namespace {

Error Wrong(std::string sentence) {
  return Error(ErrorCode::kInvalidArgument, std::move(sentence));
}

Status Take(const toml::node& node, std::string_view key, std::string& into) {
  if (!node.is_string()) return Wrong(fmt::format("{} must be a text in quotes", key));
  into = node.as_string()->get();
  return {};
}

Status Take(const toml::node& node, std::string_view key, std::vector<std::string>& into) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return Wrong(fmt::format("{} must be a list of texts", key));
  for (const toml::node& item : *list) {
    if (!item.is_string()) return Wrong(fmt::format("{} must be a list of texts", key));
    into.push_back(item.as_string()->get());
  }
  return {};
}

Status Take(const toml::node& node, std::string_view key, std::vector<CommandLine>& into) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return Wrong(fmt::format("{} must be a list of commands", key));
  for (const toml::node& item : *list) {
    CommandLine command;
    if (!Take(item, key, command).ok() || command.empty()) {
      return Wrong(fmt::format("{} must be a list of commands, each a list of texts", key));
    }
    into.push_back(std::move(command));
  }
  return {};
}

Status Take(const toml::node& node, std::string_view key,
            std::map<std::string, std::string>& into) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return Wrong(fmt::format("{} must be a table", key));
  for (const auto& [name, value] : *table) {
    TRY(Take(value, fmt::format("{}.{}", key, name.str()), into[std::string(name.str())]));
  }
  return {};
}

// One field: its name, and where its value goes.
struct Field {
  std::string_view name;
  bool required;
  std::function<Status(const toml::node&)> take;
};

template <typename T>
Field FieldOf(std::string_view name, bool required, T& into) {
  return {name, required, [name, &into](const toml::node& node) { return Take(node, name, into); }};
}

std::vector<Field> FieldsOf(Profile& profile) {
  constexpr bool kRequired = true;
  constexpr bool kOptional = false;
  return {FieldOf("name", kRequired, profile.name),
          FieldOf("user", kRequired, profile.user),
          FieldOf("versions", kOptional, profile.versions),
          FieldOf("bin", kOptional, profile.bin),
          FieldOf("program", kOptional, profile.program),
          FieldOf("data", kRequired, profile.data),
          FieldOf("initialized_if", kRequired, profile.initialized_if),
          FieldOf("directories", kOptional, profile.directories),
          FieldOf("log", kRequired, profile.log),
          FieldOf("sockets", kOptional, profile.sockets),
          FieldOf("direct", kOptional, profile.direct),
          FieldOf("init", kRequired, profile.init),
          FieldOf("start", kRequired, profile.start),
          FieldOf("ready", kRequired, profile.ready),
          FieldOf("stop_signal", kOptional, profile.stop_signal),
          FieldOf("stop", kOptional, profile.stop),
          FieldOf("private_tmpfs", kRequired, profile.private_tmpfs),
          FieldOf("tmpfs_size", kOptional, profile.tmpfs_size),
          FieldOf("survives_kill", kRequired, profile.survives_kill),
          FieldOf("survives_power_loss", kRequired, profile.survives_power_loss),
          FieldOf("environment", kOptional, profile.environment),
          FieldOf("parameters", kOptional, profile.parameters)};
}

Result<toml::table> ParseToml(std::string_view text) {
  // toml++ 3.3 runs into undefined behaviour where it expects a blank and finds most letters beyond
  // ASCII (is_non_ascii_horizontal_whitespace). TOML has another way to write them.
  const auto odd = std::find_if(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
  if (odd != text.end()) {
    return Wrong(fmt::format("line {}: a character beyond ASCII; write it as \\u00E9 in its text",
                             1 + std::count(text.begin(), odd, '\n')));
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Wrong(fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
}

}  // namespace

Result<Profile> ReadProfileFields(std::string_view text) {
  const toml::table table = TRY(ParseToml(text));
  Profile profile;
  std::vector<Field> fields = FieldsOf(profile);
  std::vector<std::string_view> names;
  for (const Field& field : fields) names.push_back(field.name);
  for (const auto& [key, node] : table) {
    const std::string_view name = key.str();
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field& field) { return field.name == name; });
    if (found == fields.end()) {
      return Wrong(
          fmt::format("'{}' is no field; the fields are {}", name, fmt::join(names, ", ")));
    }
    TRY(found->take(node));
  }
  for (const Field& field : fields) {
    if (field.required && !table.contains(field.name)) {
      return Wrong(fmt::format("{} is missing", field.name));
    }
  }
  if (profile.start.empty() || profile.ready.empty()) {
    return Wrong("start and ready must not be empty");
  }
  return profile;
}

}  // namespace freehold
