#include <algorithm>
#include <cctype>

#include "papers/papers.h"

namespace freehold::papers {

std::string Fill(std::string_view text,
                 const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string filled;
  // Once from left to right: a value that looks like a placeholder stays what it is.
  while (!text.empty()) {
    const auto found = std::find_if(values.begin(), values.end(), [text](const auto& value) {
      return text.starts_with('@') && text.substr(1).starts_with(value.first) &&
             text.substr(1 + value.first.size()).starts_with('@');
    });
    const bool fits = found != values.end();
    filled += fits ? std::string_view(found->second) : text.substr(0, 1);
    text.remove_prefix(fits ? found->first.size() + 2 : 1);
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
