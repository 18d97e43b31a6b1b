// `freehold internal kms-answers`: every provider's table of what its service's answers mean, as
// the page docs/providers/answers.md has it.
#pragma once

namespace freehold::cli {

int RunKmsAnswers();

}  // namespace freehold::cli
