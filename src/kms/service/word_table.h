// Tables from a service's words to what they mean: the form in which every provider judges.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "kms/kms_meaning.h"

namespace freehold {

struct WordRow {
  std::string_view code;  // a code, words of a message, or "HTTP 503"
  KmsMeaning meaning;
};

// The first row whose words are in the text; null: none.
inline const WordRow* FindWords(std::span<const WordRow> rows, std::string_view text) {
  for (const WordRow& row : rows) {
    if (text.find(row.code) != std::string_view::npos) return &row;
  }
  return nullptr;
}

// The row with just this code; null: none.
inline const WordRow* FindCode(std::span<const WordRow> rows, std::string_view code) {
  for (const WordRow& row : rows) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

// A server that fails itself proves no customer's "no", whatever its words: its own storage may be
// what refused.
inline KmsMeaning Credible(KmsMeaning meaning, int status) {
  const bool denied = InfoOf(meaning).kms_class == KmsClass::kDenied;
  return denied && status >= 500 ? KmsMeaning::kOutage : meaning;
}

// For the page that lists all answers.
inline void AddAnswers(std::vector<AnswerRow>& answers, std::string_view service,
                       std::span<const WordRow> rows) {
  for (const WordRow& row : rows) answers.push_back({service, row.code, row.meaning});
}

}  // namespace freehold
