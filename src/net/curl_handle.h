// What the .cc files of net/ share about libcurl: handles that clean up, what its codes mean, our
// certificate, and the door that an AddressPolicy keeps.
//
// Threads: as libcurl has it. Source: libcurl 7.88's documentation.
#pragma once

#include <curl/curl.h>

#include <memory>

#include "base/bytes.h"
#include "net/http_client.h"

namespace freehold {

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
};
template <typename T>
using CurlPtr = std::unique_ptr<T, CurlDeleter>;

// Null when libcurl does not start.
CurlPtr<CURL> NewCurlHandle();

HttpFailureKind FailureKindOf(CURLcode code);
long CurlMilliseconds(Duration duration);
// One that libcurl copies.
curl_blob CopiedBlob(ByteView bytes);
void ShowIdentity(CURL* handle, const HttpClientIdentity& identity);

// Opens sockets to allowed addresses only; lives as long as the handle's connection is wanted.
struct CurlDoor {
  const AddressPolicy* policy = nullptr;
  bool refused = false;

  void Guard(CURL* handle);
};

}  // namespace freehold
