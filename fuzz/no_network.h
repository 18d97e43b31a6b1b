// The network of the fuzz targets: every request gets the one answer that was put here.
#pragma once

#include "net/http.h"

namespace freehold {

void AnswerEveryRequestWith(HttpResponse response);

}  // namespace freehold
