#include "server/openapi.h"

#include <algorithm>

#include "fmt/format.h"
#include "server/schemas.h"

namespace freehold::server {
namespace {

namespace json = boost::json;

json::object Reference(std::string_view schema) {
  return {{"$ref", fmt::format("#/components/schemas/{}", schema)}};
}

// The schema of a type as schemas.h writes it.
json::object TypeOf(std::string_view type) {
  if (type.ends_with('?')) {
    return {{"anyOf", {TypeOf(type.substr(0, type.size() - 1)), {{"type", "null"}}}}};
  }
  const std::string_view inner = type.substr(1, std::max<std::size_t>(type.size(), 2) - 2);
  if (type.starts_with('[')) return {{"type", "array"}, {"items", TypeOf(inner)}};
  if (type.starts_with('{')) {
    return {{"type", "object"}, {"additionalProperties", TypeOf(inner)}};
  }
  if (type == "any") return {};
  if (type == "time") return {{"type", "string"}, {"format", "date-time"}};
  if (type == "string" || type == "boolean" || type == "integer") return {{"type", type}};
  return Reference(type);
}

json::object SchemaOf(const Schema& schema) {
  json::object properties;
  json::array required;
  for (const Field& field : schema.fields) {
    const bool optional = field.name.ends_with('?');
    const std::string_view name = field.name.substr(0, field.name.size() - (optional ? 1 : 0));
    json::object property = TypeOf(field.type);
    if (!field.means.empty()) property["description"] = field.means;
    properties[name] = std::move(property);
    if (!optional) required.emplace_back(name);
  }
  json::object object = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) object["required"] = std::move(required);
  if (schema.closed) object["additionalProperties"] = false;
  return object;
}

json::object SchemasJson() {
  json::object schemas;
  for (const EnumSchema& words : AllEnums()) {
    json::array list;
    for (const std::string_view word : words.words) list.emplace_back(word);
    schemas[words.name] = {{"type", "string"}, {"enum", std::move(list)}};
  }
  for (const Schema& schema : AllSchemas()) schemas[schema.name] = SchemaOf(schema);
  return schemas;
}

json::object InJson(std::string_view schema) {
  return {{"application/json", {{"schema", Reference(schema)}}}};
}

// Those of the path, which are in braces, and those of the query.
json::array ParametersOf(const Route& route) {
  json::array parameters;
  std::string_view rest = route.path;
  for (auto at = rest.find('{'); at != std::string_view::npos; at = rest.find('{')) {
    const auto end = rest.find('}', at);
    parameters.push_back({{"name", rest.substr(at + 1, end - at - 1)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}}}});
    rest = rest.substr(end);
  }
  for (std::string_view names = route.operation.query; !names.empty();) {
    const std::string_view name = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    for (const QueryParameter& parameter : AllQueryParameters()) {
      if (parameter.name != name) continue;
      parameters.push_back({{"name", name},
                            {"in", "query"},
                            {"description", parameter.means},
                            {"schema", TypeOf(parameter.type)}});
    }
  }
  return parameters;
}

json::object OperationOf(const Route& route) {
  json::object operation = {{"operationId", route.operation.name},
                            {"summary", route.summary},
                            {"x-permission", NameOf(route.permission)}};
  if (json::array parameters = ParametersOf(route); !parameters.empty()) {
    operation["parameters"] = std::move(parameters);
  }
  if (!route.operation.body.empty()) {
    operation["requestBody"] = {{"required", true}, {"content", InJson(route.operation.body)}};
  }
  operation["responses"] = {
      {"200", {{"description", "Done"}, {"content", InJson(route.operation.answer)}}},
      {"default",
       {{"description", "Refused, or failed"}, {"content", InJson(route.operation.error)}}}};
  return operation;
}

void Append(std::string& text, const json::value& value, std::size_t depth) {
  const std::string indent(depth + 1, ' ');
  const auto join = [&](char open, const auto& items, char close, const auto& append) {
    text += open;
    const char* separator = "\n";
    for (const auto& item : items) {
      text += separator + indent;
      append(item);
      separator = ",\n";
    }
    if (!items.empty()) text += "\n" + std::string(depth, ' ');
    text += close;
  };
  if (value.is_object()) {
    join('{', value.get_object(), '}', [&](const json::key_value_pair& item) {
      text += json::serialize(item.key()) + ": ";
      Append(text, item.value(), depth + 1);
    });
  } else if (value.is_array()) {
    join('[', value.get_array(), ']',
         [&](const json::value& item) { Append(text, item, depth + 1); });
  } else {
    text += json::serialize(value);
  }
}

}  // namespace

json::object OpenApiOf(const std::vector<Route>& routes) {
  json::object paths;
  for (const Route& route : routes) {
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    json::value& path = paths[route.path];
    if (!path.is_object()) path = json::object();
    path.get_object()[method] = OperationOf(route);
  }
  const json::array keys = {{{"bearer", json::array()}}, {{"basic", json::array()}}};
  return {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Freehold's control plane"},
        {"version", "0.1.0"},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"security", keys},
      {"paths", std::move(paths)},
      {"components",
       {{"securitySchemes",
         {{"bearer",
           {{"type", "http"}, {"scheme", "bearer"}, {"description", "An API key, fhk_ID_SECRET"}}},
          {"basic",
           {{"type", "http"},
            {"scheme", "basic"},
            {"description", "The same key: its ID as the user, its SECRET as the password"}}}}},
        {"schemas", SchemasJson()}}}};
}

std::string PrettyJson(const json::value& value) {
  std::string text;
  Append(text, value, 0);
  return text;
}

}  // namespace freehold::server
