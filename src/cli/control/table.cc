#include "cli/control/table.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/bytes.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

// In characters, as UTF-8 has them.
std::size_t WidthOf(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Cell(const std::string& text) { return text.empty() ? "-" : Printable(text); }

void PrintRow(const Row& row, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::string cell = Cell(row[i]);
    line += cell;
    if (i + 1 < row.size()) line.append(widths[i] - WidthOf(cell) + 2, ' ');
  }
  Print(line);
}

}  // namespace

void PrintTable(const Row& titles, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(titles.size());
  const auto measure = [&](const Row& row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], WidthOf(Cell(row[i])));
    }
  };
  measure(titles);
  for (const Row& row : rows) measure(row);
  PrintRow(titles, widths);
  for (const Row& row : rows) PrintRow(row, widths);
}

void PrintFields(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, WidthOf(name));
  for (const auto& [name, value] : fields) PrintRow({name, value}, {width});
}

std::string FieldOf(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

const json::array& ListOf(const json::object& object, std::string_view name) {
  static const json::array none;
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_array() ? value->as_array() : none;
}

const json::object& ObjectOf(const json::object& object, std::string_view name) {
  static const json::object none;
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->as_object() : none;
}

}  // namespace freehold::cli
