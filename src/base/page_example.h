// Worked examples out of the pages under docs/, so that tests hold pages and code against each
// other. Test code only.
//
//   ```hexdump NAME        lines as `hexdump -C` prints them, a star for repeated rows
//   ```keys NAME           a name, two blanks or more, hex; a line that starts with a blank goes on
//
// Errors: a page or an example that is not there stops the test. Threads: safe.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace freehold {

inline std::vector<std::string> ReadPage(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) {
    std::cerr << path << " cannot be read\n";
    std::abort();
  }
  return lines;
}

// The lines between ```KIND NAME and ```.
inline std::vector<std::string> FencedLines(const std::string& page, const std::string& kind,
                                            const std::string& name) {
  std::vector<std::string> found;
  bool inside = false;
  for (const std::string& line : ReadPage(page)) {
    if (inside && line == "```") return found;
    if (inside) found.push_back(line);
    if (line == "```" + kind + " " + name) inside = true;
  }
  std::cerr << page << " has no " << kind << " " << name << "\n";
  std::abort();
}

inline Bytes HexOfLine(const std::string& words) {
  std::string digits;
  for (const char c : words) {
    if (c != ' ') digits.push_back(c);
  }
  return HexDecode(digits).value();
}

inline Bytes PageDump(const std::string& page, const std::string& name) {
  Bytes dump;
  Bytes row;
  for (const std::string& line : FencedLines(page, "hexdump", name)) {
    if (line == "*") continue;
    const std::size_t offset = std::stoul(line.substr(0, 8), nullptr, 16);
    while (dump.size() < offset && !row.empty()) dump.insert(dump.end(), row.begin(), row.end());
    row = line.size() > 8 ? HexOfLine(line.substr(8, line.find('|') - 8)) : Bytes();
    dump.insert(dump.end(), row.begin(), row.end());
  }
  return dump;
}

inline std::map<std::string, Bytes> PageKeys(const std::string& page, const std::string& name) {
  std::map<std::string, Bytes> keys;
  std::string last;
  for (const std::string& line : FencedLines(page, "keys", name)) {
    const std::size_t value = line.rfind(' ') + 1;
    if (line.front() != ' ') last = line.substr(0, line.find("  "));
    const Bytes bytes = HexOfLine(line.substr(value));
    keys[last].insert(keys[last].end(), bytes.begin(), bytes.end());
  }
  return keys;
}

// The cells of each row of the page's tables, without the lines of dashes.
inline std::vector<std::vector<std::string>> PageTableRows(const std::string& page) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& line : ReadPage(page)) {
    if (line.empty() || line.front() != '|' || line.find("---") != std::string::npos) continue;
    std::vector<std::string> cells;
    std::istringstream parts(line.substr(1));
    for (std::string cell; std::getline(parts, cell, '|');) {
      const auto first = cell.find_first_not_of(' ');
      const auto last = cell.find_last_not_of(' ');
      cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    }
    rows.push_back(std::move(cells));
  }
  return rows;
}

}  // namespace freehold
