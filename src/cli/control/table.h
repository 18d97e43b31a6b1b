// What a person sees of the API's answers: tables and lists of fields, on standard output.
//
// Control characters of what others have named are not printed. Threads: main only.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace freehold::cli {

using Row = std::vector<std::string>;

// Columns as wide as what is in them; an empty cell is "-".
void PrintTable(const Row& titles, const std::vector<Row>& rows);

// "name   value", a line each.
void PrintFields(const std::vector<std::pair<std::string, std::string>>& fields);

// A field as text: "" when there is none or it is null; what is no text, as JSON.
std::string FieldOf(const boost::json::object& object, std::string_view name);
// An empty one when there is none.
const boost::json::array& ListOf(const boost::json::object& object, std::string_view name);
const boost::json::object& ObjectOf(const boost::json::object& object, std::string_view name);

}  // namespace freehold::cli
