// SPDX-License-Identifier: Apache-2.0
// Tests of the client's TLS against a server of OpenSSL's own, with certificates made here.
#include <arpa/inet.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/http_client.h"
#include "net/internal/stream.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

struct KeyFreer {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct CertificateFreer {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

// A key with a certificate that it signed itself.
struct Identity {
  std::unique_ptr<EVP_PKEY, KeyFreer> key;
  std::unique_ptr<X509, CertificateFreer> certificate;
  std::string file;

  // @param names  "IP:127.0.0.1" or "DNS:example.test"
  Identity(const std::string& names, long valid_seconds)
      : key(EVP_EC_gen("P-256")), certificate(X509_new()) {
    X509* const x = certificate.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -7200);
    X509_gmtime_adj(X509_getm_notAfter(x), valid_seconds);
    X509_set_pubkey(x, key.get());
    X509_NAME* const name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    EXPECT_NE(X509_sign(x, key.get(), EVP_sha256()), 0);
    static int n_files = 0;
    file = ::testing::TempDir() + "https_test_" + std::to_string(::getpid()) + "_" +
           std::to_string(n_files++) + ".pem";
    BIO* const out = BIO_new_file(file.c_str(), "w");
    PEM_write_bio_X509(out, x);
    BIO_free(out);
  }
  ~Identity() { std::filesystem::remove(file); }
};

enum class Manner { kAnswers, kCutsOff, kNoTls, kSilent };

// Answers every request on one connection after the other with its own bytes, over TLS.
class TlsServer {
 public:
  explicit TlsServer(const Identity& identity, Manner manner = Manner::kAnswers)
      : context_(SSL_CTX_new(TLS_server_method())),
        fd_(::socket(AF_INET, SOCK_STREAM, 0)),
        manner_(manner) {
    SSL_CTX_use_certificate(context_, identity.certificate.get());
    SSL_CTX_use_PrivateKey(context_, identity.key.get());
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = std::to_string(ntohs(address.sin_port));
    thread_ = std::jthread([this] { Serve(); });
  }
  ~TlsServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    SSL_CTX_free(context_);
  }
  std::string url() const { return "https://127.0.0.1:" + port_; }
  int n_connections() const { return n_connections_; }

 private:
  void Serve() {
    for (;;) {
      const int connection = ::accept(fd_, nullptr, nullptr);
      if (connection < 0) {
        return;
      }
      ++n_connections_;
      char block[65536];
      if (manner_ == Manner::kNoTls || manner_ == Manner::kSilent) {
        ::recv(connection, block, sizeof block, 0);
        if (manner_ == Manner::kNoTls) {
          ::send(connection, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
        } else {
          ::recv(connection, block, sizeof block, 0);
        }
        ::close(connection);
        continue;
      }
      SSL* const session = SSL_new(context_);
      SSL_set_fd(session, connection);
      if (SSL_accept(session) == 1) {
        Answer(session);
      }
      SSL_free(session);
      ::close(connection);
    }
  }
  void Answer(SSL* session) {
    std::string received;
    char block[65536];
    for (;;) {
      const int n = SSL_read(session, block, sizeof block);
      if (n <= 0) {
        return;
      }
      received.append(block, static_cast<std::size_t>(n));
      const std::size_t end = received.find("\r\n\r\n");
      const std::size_t length = received.find("Content-Length: ");
      if (end == std::string::npos ||
          (length != std::string::npos &&
           received.size() < end + 4 + std::stoul(received.substr(length + 16)))) {
        continue;
      }
      if (manner_ == Manner::kCutsOff) {
        const std::string_view part = "HTTP/1.1 200 OK\r\n\r\nhalf";
        SSL_write(session, part.data(), static_cast<int>(part.size()));
        return;
      }
      const std::string reply =
          "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(received.size()) + "\r\n\r\n" +
          received;
      SSL_write(session, reply.data(), static_cast<int>(reply.size()));
      received.clear();
    }
  }

  SSL_CTX* context_;
  int fd_;
  Manner manner_;
  std::string port_;
  std::atomic<int> n_connections_{0};
  std::jthread thread_;
};

Result<ClientResponse> Ask(const std::string& url, const std::string& ca_file) {
  Result<HttpClient> client =
      HttpClient::Make(url, {.connect_timeout = milliseconds(2000), .ca_file = ca_file});
  EXPECT_TRUE(client.ok());
  return client->Get("/");
}

TEST(Https, TrustedServerIsTalkedToOverOneConnection) {
  const Identity identity("IP:127.0.0.1", 3600);
  const TlsServer server(identity);
  Result<HttpClient> client = HttpClient::Make(server.url(), {.ca_file = identity.file});
  ASSERT_TRUE(client.ok());
  const std::string body(3'000'000, 'b');
  for (int i = 0; i < 3; ++i) {
    const Result<ClientResponse> reply = client->Post("/hook", "text/plain", body);
    ASSERT_TRUE(reply.ok()) << reply.error().ToString();
    EXPECT_EQ(reply->status, 200);
    EXPECT_THAT(reply->body.substr(0, 20), HasSubstr("POST /hook HTTP/1.1"));
    EXPECT_TRUE(reply->body.ends_with(body));
  }
  EXPECT_EQ(server.n_connections(), 1);
}

TEST(Https, CertificatesThatProveNothingAreRefused) {
  const Identity good("IP:127.0.0.1", 3600);
  const Identity other_name("DNS:example.test", 3600);
  const Identity expired("IP:127.0.0.1", -3600);
  const struct {
    const Identity& shown;
    std::string trusted;
    std::string_view reason;
  } kCases[] = {
      {good, other_name.file, "self-signed"},
      {good, "", "self-signed"},
      {other_name, other_name.file, "mismatch"},
      {expired, expired.file, "expired"},
  };
  for (const auto& c : kCases) {
    const TlsServer server(c.shown);
    const Result<ClientResponse> reply = Ask(server.url(), c.trusted);
    ASSERT_FALSE(reply.ok()) << c.reason;
    EXPECT_EQ(reply.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(reply.error().message(), HasSubstr(c.reason));
  }
}

TEST(Https, ServersThatDoNotSpeakTlsAreNamed) {
  const Identity identity("IP:127.0.0.1", 3600);
  const TlsServer plain(identity, Manner::kNoTls);
  const Result<ClientResponse> reply = Ask(plain.url(), identity.file);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::kUnavailable);
  const TlsServer silent(identity, Manner::kSilent);
  Result<HttpClient> client = HttpClient::Make(
      silent.url(), {.connect_timeout = milliseconds(60), .ca_file = identity.file});
  ASSERT_TRUE(client.ok());
  const Result<ClientResponse> late = client->Get("/");
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::kDeadlineExceeded);
}

// A reply that ends with the stream is whole only if TLS says so.
TEST(Https, StreamThatIsCutOffIsNoReply) {
  const Identity identity("IP:127.0.0.1", 3600);
  const TlsServer server(identity, Manner::kCutsOff);
  const Result<ClientResponse> reply = Ask(server.url(), identity.file);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::kUnavailable);
}

TEST(Https, FileWithoutCertificatesIsNamed) {
  const Identity identity("IP:127.0.0.1", 3600);
  const TlsServer server(identity);
  const Result<ClientResponse> reply = Ask(server.url(), "/no/such/file.pem");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(reply.error().message(), HasSubstr("/no/such/file.pem"));
}

TEST(PublicAddresses, InnerOnesAreRefusedBeforeAnythingIsSent) {
  for (const char* const url : {"http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"}) {
    Result<HttpClient> client = HttpClient::Make(url, {.public_addresses_only = true});
    ASSERT_TRUE(client.ok());
    const Result<ClientResponse> reply = client->Get("/");
    ASSERT_FALSE(reply.ok()) << url;
    EXPECT_EQ(reply.error().code(), ErrorCode::kPermissionDenied) << url;
  }
}

TEST(PublicAddresses, AreToldFromTheSpecialOnes) {
  const auto is_public = [](const std::string& text) {
    sockaddr_storage storage{};
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    if (text.find(':') == std::string::npos) {
      v4.sin_family = AF_INET;
      EXPECT_EQ(::inet_pton(AF_INET, text.c_str(), &v4.sin_addr), 1) << text;
    } else {
      v6.sin6_family = AF_INET6;
      EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    }
    return internal::IsPublicAddress(reinterpret_cast<const sockaddr&>(storage));
  };
  for (const char* const inner : {"0.0.0.0",
                                  "10.1.2.3",
                                  "100.64.0.1",
                                  "127.0.0.2",
                                  "169.254.169.254",
                                  "172.16.0.1",
                                  "172.31.255.255",
                                  "192.168.1.1",
                                  "192.0.2.1",
                                  "198.18.0.1",
                                  "198.51.100.7",
                                  "203.0.113.9",
                                  "224.0.0.1",
                                  "255.255.255.255",
                                  "::",
                                  "::1",
                                  "fe80::1",
                                  "fc00::1",
                                  "fd12::1",
                                  "ff02::1",
                                  "::ffff:127.0.0.1",
                                  "::ffff:10.0.0.1",
                                  "64:ff9b::a00:1",
                                  "2002:7f00:1::",
                                  "2001:db8::1",
                                  "2001::1"}) {
    EXPECT_FALSE(is_public(inner)) << inner;
  }
  for (const char* const outer :
       {"1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.0", "172.32.0.1",
        "192.169.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(is_public(outer)) << outer;
  }
}

}  // namespace
}  // namespace millrace::net
