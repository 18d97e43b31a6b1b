#include <algorithm>
#include <cctype>

#include "papers/papers.h"

namespace freehold::papers {

std::string Fill(std::string_view text,
                 const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string filled(text);
  for (const auto& [name, value] : values) {
    const std::string placeholder = "@" + std::string(name) + "@";
    for (auto at = filled.find(placeholder); at != std::string::npos;
         at = filled.find(placeholder, at + value.size())) {
      filled.replace(at, placeholder.size(), value);
    }
  }
  return filled;
}

bool IsMadeOf(std::string_view text, std::string_view beside_letters_and_digits) {
  return !text.empty() && text.size() <= 512 &&
         std::all_of(text.begin(), text.end(), [&](unsigned char c) {
           return (c < 0x80 && std::isalnum(c) != 0) ||
                  beside_letters_and_digits.find(static_cast<char>(c)) != std::string_view::npos;
         });
}

}  // namespace freehold::papers
