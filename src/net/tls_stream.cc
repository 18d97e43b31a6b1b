#include "net/tls_stream.h"

#include <openssl/bio.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <cstdint>

namespace freehold {
namespace {

int DescriptorOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// libcrypto's own BIO for sockets writes without MSG_NOSIGNAL: a peer that is gone would end the
// process.
int Write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = send(DescriptorOf(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && WouldBlock()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int Read(BIO* bio, char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = recv(DescriptorOf(bio), bytes, static_cast<std::size_t>(size), 0);
  if (got < 0 && WouldBlock()) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

// Nothing is kept back, so a flush has nothing to do; all else is not supported.
long Control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "freehold socket");
    if (made == nullptr) return made;
    BIO_meth_set_write(made, Write);
    BIO_meth_set_read(made, Read);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

}  // namespace

TlsPointer TlsOnSocket(SSL_CTX* context, int descriptor) {
  TlsPointer ssl(SSL_new(context));
  BIO* const bio = SocketMethod() == nullptr ? nullptr : BIO_new(SocketMethod());
  if (ssl == nullptr || bio == nullptr) {
    BIO_free(bio);
    return nullptr;
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);  // takes it
  // A flood of records without data would keep a thread in one read, past every deadline.
  SSL_clear_mode(ssl.get(), SSL_MODE_AUTO_RETRY);
  // A write may be taken in parts, and the caller's buffer may lie elsewhere when it is tried
  // again.
  SSL_set_mode(ssl.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
  return ssl;
}

TlsStep StepAfter(SSL* ssl, int result, boost::system::error_code& error) {
  const int system = errno;
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
      return TlsStep::kDone;
    case SSL_ERROR_WANT_READ:
      return TlsStep::kWaitToRead;
    case SSL_ERROR_WANT_WRITE:
      return TlsStep::kWaitToWrite;
    case SSL_ERROR_ZERO_RETURN:
      error = boost::asio::error::eof;
      return TlsStep::kDone;
    case SSL_ERROR_SYSCALL:
      error.assign(system == 0 ? ECONNRESET : system, boost::system::system_category());
      return TlsStep::kDone;
    default:
      error.assign(static_cast<int>(ERR_get_error()), boost::asio::error::get_ssl_category());
      return TlsStep::kDone;
  }
}

}  // namespace freehold
