#include "cli/answers_command.h"

#include "cli/key_providers.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

constexpr const char* kIntroduction =
    "# What the answers of a KMS mean\n\n"
    "Made by `freehold internal kms-answers` from the tables that the code uses: do not edit.\n\n"
    "Every provider translates its service's words into one of these meanings. The class that "
    "custody\n"
    "acts on follows from the meaning, and so does the sentence that a customer sees. What no "
    "table\n"
    "knows is `not_understood` below a status of 500, and `outage` from there on.\n\n"
    "| class | what follows |\n|---|---|\n"
    "| denied | asked again after a few seconds; a second no seals |\n"
    "| ambiguous | asked again soon; meanwhile grace |\n"
    "| unreachable | grace, until it is used up |\n"
    "| ours | our credentials are fetched afresh and judged once more; then grace |\n"
    "| data | no proof of revocation and no renewal: grace |\n\n"
    "## Meanings\n\n"
    "| meaning | class | in a customer's words |\n|---|---|---|";

}  // namespace

int RunKmsAnswers() {
  Print(kIntroduction);
  for (const KmsMeaningInfo& info : AllKmsMeanings()) {
    Print(fmt::format("| `{}` | {} | {} |", info.name, NameOf(info.kms_class), info.sentence));
  }
  std::string_view service;
  for (const AnswerRow& row : AllAnswers()) {
    if (row.service != service) {
      Print(fmt::format("\n## {}\n\n| answer | meaning | class |\n|---|---|---|", row.service));
      service = row.service;
    }
    const KmsMeaningInfo& info = InfoOf(row.meaning);
    Print(fmt::format("| {} | `{}` | {} |", row.code, info.name, NameOf(info.kms_class)));
  }
  return 0;
}

}  // namespace freehold::cli
