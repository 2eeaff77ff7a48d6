// SPDX-License-Identifier: Apache-2.0
// TLS by OpenSSL over memory buffers: a socket of OpenSSL's own would raise SIGPIPE.
#include "net/internal/tls.h"

#include <mutex>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace millrace::net::internal {

namespace {

struct Freer {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* session) const { SSL_free(session); }
};
using ContextPtr = std::shared_ptr<SSL_CTX>;

std::string LastReason() {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

Result<ContextPtr> MakeContext(const std::string& ca_file) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_client_method()), Freer{});
  if (context == nullptr) {
    return base::Internal("TLS cannot start: " + LastReason());
  }
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1) {
    return base::InvalidArgument("file " + ca_file +
                                 " holds no certificate of an authority: " + LastReason())
        .Hint("name a PEM file that this user may read");
  }
  return context;
}

// The system's authorities are read once: they are some hundred certificates.
Result<ContextPtr> SystemContext() {
  static std::mutex mutex;
  static ContextPtr context;
  const std::lock_guard lock(mutex);
  if (context == nullptr) {
    MILL_ASSIGN_OR_RETURN(context, MakeContext(""));
  }
  return context;
}

}  // namespace

struct TlsSession::Impl {
  ContextPtr context;
  std::unique_ptr<SSL, Freer> session;
  std::string host;
  // Owned by the session.
  BIO* in = nullptr;
  BIO* out = nullptr;
};

TlsSession::TlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}
TlsSession::~TlsSession() = default;

Result<std::unique_ptr<TlsSession>> TlsSession::Make(const std::string& host,
                                                     const std::string& ca_file) {
  auto impl = std::make_unique<Impl>();
  MILL_ASSIGN_OR_RETURN(impl->context, ca_file.empty() ? SystemContext() : MakeContext(ca_file));
  impl->host = host;
  impl->session.reset(SSL_new(impl->context.get()));
  impl->in = BIO_new(BIO_s_mem());
  impl->out = BIO_new(BIO_s_mem());
  MILL_CHECK(impl->session != nullptr && impl->in != nullptr && impl->out != nullptr);
  SSL* const session = impl->session.get();
  SSL_set_bio(session, impl->in, impl->out);
  SSL_set_connect_state(session);
  // An address is matched against the certificate's addresses and is no server name (RFC 6066).
  X509_VERIFY_PARAM* const checks = SSL_get0_param(session);
  if (X509_VERIFY_PARAM_set1_ip_asc(checks, host.c_str()) != 1) {
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(checks, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(checks, host.c_str(), host.size()) != 1 ||
        SSL_set_tlsext_host_name(session, host.c_str()) != 1) {
      return base::InvalidArgument("host \"" + host + "\" is no name that TLS can ask for");
    }
  }
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(impl)));
}

void TlsSession::Feed(std::string_view records) {
  const int n = BIO_write(impl_->in, records.data(), static_cast<int>(records.size()));
  MILL_CHECK_EQ(n, static_cast<int>(records.size()));
}

std::string TlsSession::TakeOutput() {
  std::string records(BIO_ctrl_pending(impl_->out), '\0');
  if (!records.empty()) {
    BIO_read(impl_->out, records.data(), static_cast<int>(records.size()));
  }
  return records;
}

Result<bool> TlsSession::Handshake() {
  ERR_clear_error();
  const int n = SSL_do_handshake(impl_->session.get());
  if (n == 1) {
    return true;
  }
  if (SSL_get_error(impl_->session.get(), n) == SSL_ERROR_WANT_READ) {
    return false;
  }
  const long verified = SSL_get_verify_result(impl_->session.get());
  if (verified != X509_V_OK) {
    return base::Unavailable("the certificate of " + impl_->host +
                             " is refused: " + X509_verify_cert_error_string(verified))
        .Hint("check the host's name and the authorities that this machine trusts");
  }
  return base::Unavailable("TLS with " + impl_->host + " failed: " + LastReason())
      .Hint("check that the port speaks TLS 1.2 or newer");
}

Result<void> TlsSession::Write(std::string_view text) {
  while (!text.empty()) {
    ERR_clear_error();
    std::size_t written = 0;
    if (SSL_write_ex(impl_->session.get(), text.data(), text.size(), &written) != 1) {
      return base::Unavailable("TLS with " + impl_->host + " failed: " + LastReason());
    }
    text.remove_prefix(written);
  }
  return {};
}

Result<std::size_t> TlsSession::Read(std::span<char> into) {
  ERR_clear_error();
  std::size_t n = 0;
  if (SSL_read_ex(impl_->session.get(), into.data(), into.size(), &n) == 1) {
    return n;
  }
  switch (SSL_get_error(impl_->session.get(), 0)) {
    case SSL_ERROR_WANT_READ:
      return std::size_t{0};
    case SSL_ERROR_ZERO_RETURN:
      is_closed_ = true;
      return std::size_t{0};
    default:
      return base::Unavailable("TLS with " + impl_->host + " failed: " + LastReason());
  }
}

bool TlsSession::HasUnread() const {
  return SSL_has_pending(impl_->session.get()) == 1 || BIO_ctrl_pending(impl_->in) > 0;
}

}  // namespace millrace::net::internal
