// The network of the fuzz targets: every request gets the one answer that was put here, and every
// TLS connection the bytes.
#pragma once

#include "base/bytes.h"
#include "net/http.h"

namespace freehold {

void AnswerEveryRequestWith(HttpResponse response);
void AnswerEveryConnectionWith(ByteView bytes);  // which must stay where they are

}  // namespace freehold
