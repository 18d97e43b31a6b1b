// Schemas: the bodies and answers of the API, field by field, for the OpenAPI document.
//
// A field's type is "string", "boolean", "integer", "time" (RFC 3339), "any", or the name of
// another schema; "[T]" is a list, "{T}" a map of names, "T?" may be null. A name that ends in '?'
// may be absent. What the server really does is compared with this by tests/openapi_test.py.
// Threads: safe.
#pragma once

#include <string_view>
#include <vector>

namespace freehold::server {

struct Field {
  std::string_view name;
  std::string_view type;
  std::string_view means = "";
};

struct Schema {
  std::string_view name;
  bool closed;  // other fields are refused
  std::vector<Field> fields;
};

const std::vector<Schema>& AllSchemas();

// A set of words.
struct EnumSchema {
  std::string_view name;
  std::vector<std::string_view> words;
};

const std::vector<EnumSchema>& AllEnums();

// A parameter of a query.
struct QueryParameter {
  std::string_view name;
  std::string_view type;
  std::string_view means;
};

const std::vector<QueryParameter>& AllQueryParameters();

}  // namespace freehold::server
