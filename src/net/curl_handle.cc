#include "net/curl_handle.h"

#include <sys/socket.h>

namespace freehold {
namespace {

curl_socket_t OpenAllowed(void* door_pointer, curlsocktype, curl_sockaddr* to) {
  auto& door = *static_cast<CurlDoor*>(door_pointer);
  if (!door.policy->Allows(&to->addr)) {
    door.refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

}  // namespace

CurlPtr<CURL> NewCurlHandle() {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  return CurlPtr<CURL>(initialized == CURLE_OK ? curl_easy_init() : nullptr);
}

HttpFailureKind FailureKindOf(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return HttpFailureKind::kResolve;
    case CURLE_COULDNT_CONNECT:
      return HttpFailureKind::kConnect;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_SHUTDOWN_FAILED:
      return HttpFailureKind::kTls;
    case CURLE_OPERATION_TIMEDOUT:
      return HttpFailureKind::kTimeout;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
      return HttpFailureKind::kReset;
    default:
      return HttpFailureKind::kOther;
  }
}

long CurlMilliseconds(Duration duration) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

curl_blob CopiedBlob(ByteView bytes) {
  return curl_blob{const_cast<std::uint8_t*>(bytes.data()), bytes.size(), CURL_BLOB_COPY};
}

void ShowIdentity(CURL* handle, const HttpClientIdentity& identity) {
  const curl_blob certificate = CopiedBlob(AsBytes(identity.certificate_pem));
  const curl_blob key = CopiedBlob(identity.key_pem.ExposeSecret());
  curl_easy_setopt(handle, CURLOPT_SSLCERTTYPE, "PEM");
  curl_easy_setopt(handle, CURLOPT_SSLCERT_BLOB, &certificate);
  curl_easy_setopt(handle, CURLOPT_SSLKEYTYPE, "PEM");
  curl_easy_setopt(handle, CURLOPT_SSLKEY_BLOB, &key);
}

void CurlDoor::Guard(CURL* handle) {
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, OpenAllowed);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
}

}  // namespace freehold
