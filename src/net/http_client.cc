// SPDX-License-Identifier: Apache-2.0
// The client: plain sockets with poll for timeouts, Beast's parser for replies.
#include "net/http_client.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <netdb.h>

#include "net/http_message.h"

namespace millrace::net {

namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using SteadyTime = std::chrono::steady_clock::time_point;

// Owns a descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~Socket() { Close(); }
  void Close() {
    if (fd_ >= 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

class ResponseParser final : public http::basic_parser<false> {
 public:
  ResponseParser(ClientResponse& response, const ClientOptions& options, bool is_head)
      : response_(response) {
    eager(true);
    skip(is_head);
    header_limit(
        static_cast<std::uint32_t>(std::min<std::size_t>(options.max_header_bytes, 1U << 30)));
    body_limit(static_cast<std::uint64_t>(options.max_body_bytes));
  }

 private:
  void on_request_impl(http::verb, boost::beast::string_view, boost::beast::string_view, int,
                       error_code&) override {}
  void on_response_impl(int code, boost::beast::string_view, int, error_code& ec) override {
    response_.status = code;
    ec = {};
  }
  void on_field_impl(http::field, boost::beast::string_view name, boost::beast::string_view value,
                     error_code& ec) override {
    response_.headers.emplace_back(std::string(name.data(), name.size()),
                                   std::string(value.data(), value.size()));
    ec = {};
  }
  void on_header_impl(error_code& ec) override { ec = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& ec) override {
    ec = {};
    if (length) {
      response_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, 1U << 20)));
    }
  }
  std::size_t on_body_impl(boost::beast::string_view body, error_code& ec) override {
    ec = {};
    response_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code& ec) override {
    ec = {};
  }
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view body,
                                 error_code& ec) override {
    return on_body_impl(body, ec);
  }
  void on_finish_impl(error_code& ec) override { ec = {}; }

  ClientResponse& response_;
};

// What poll says within the time that is left: true when ready, false when the time is up.
bool WaitFor(int fd, short events, SteadyTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (left <= 0) {
      return false;
    }
    pollfd entry{fd, events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (n > 0) {
      return true;
    }
    if (n < 0 && errno != EINTR) {
      return true;  // The following call reports what is wrong.
    }
  }
}

bool IsAgain(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

struct HttpClient::Impl {
  std::string base_url;
  std::string host;
  std::string port;
  std::string prefix;
  std::string host_field;
  ClientOptions options;
  Socket socket;
  std::string out;
  std::string in;

  Error Broken(int error) const {
    return base::Unavailable("connection to " + base_url + " broke: " + std::strerror(error))
        .Hint("check that the server runs");
  }
  Error TimedOut(std::string_view doing, std::chrono::milliseconds limit) const {
    return base::DeadlineExceeded(std::string(doing) + " " + base_url + " took longer than " +
                                  std::to_string(limit.count()) + " ms");
  }
  Result<void> Connect();
  Result<void> TryAddress(const addrinfo& address, SteadyTime deadline);
  /// True if the kept connection was closed by the server or holds bytes that nobody asked for.
  bool IsStale() const;
  void Compose(std::string_view method, std::string_view target, std::string_view body,
               const Headers& headers);
  Result<void> SendAll(SteadyTime deadline);
  Result<ClientResponse> Receive(bool is_head, SteadyTime deadline);
};

Result<void> HttpClient::Impl::TryAddress(const addrinfo& address, SteadyTime deadline) {
  Socket fresh(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fresh.is_open()) {
    return Broken(errno);
  }
  if (::connect(fresh.fd(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) {
      return base::Unavailable("cannot connect to " + base_url + ": " + std::strerror(errno))
          .Hint("check that the server runs");
    }
    if (!WaitFor(fresh.fd(), POLLOUT, deadline)) {
      return TimedOut("connecting to", options.connect_timeout);
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fresh.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      return base::Unavailable("cannot connect to " + base_url + ": " + std::strerror(error))
          .Hint("check that the server runs");
    }
  }
  const int on = 1;
  ::setsockopt(fresh.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  socket = std::move(fresh);
  return {};
}

Result<void> HttpClient::Impl::Connect() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (status != 0) {
    return base::Unavailable("host of " + base_url + " does not resolve: " + ::gai_strerror(status))
        .Hint("check the address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  const SteadyTime deadline = std::chrono::steady_clock::now() + options.connect_timeout;
  Result<void> last = base::Unavailable("host of " + base_url + " has no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    last = TryAddress(*address, deadline);
    if (last.ok()) {
      return {};
    }
  }
  return last;
}

bool HttpClient::Impl::IsStale() const {
  char byte = 0;
  const ssize_t n = ::recv(socket.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || !IsAgain(errno);
}

void HttpClient::Impl::Compose(std::string_view method, std::string_view target,
                               std::string_view body, const Headers& headers) {
  out.clear();
  out.append(method)
      .append(" ")
      .append(prefix)
      .append(target)
      .append(" HTTP/1.1\r\nHost: ")
      .append(host_field)
      .append("\r\n");
  if (!body.empty() || method == "POST" || method == "PUT") {
    out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  for (const auto& [name, value] : headers) {
    out.append(name).append(": ").append(value).append("\r\n");
  }
  out.append("\r\n").append(body);
}

Result<void> HttpClient::Impl::SendAll(SteadyTime deadline) {
  std::size_t sent = 0;
  while (sent < out.size()) {
    const ssize_t n = ::send(socket.fd(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
    } else if (n < 0 && !IsAgain(errno)) {
      // A server that refuses a large body answers and closes: its reply may still be readable.
      return errno == EPIPE || errno == ECONNRESET ? Result<void>() : Result<void>(Broken(errno));
    } else if (!WaitFor(socket.fd(), POLLOUT, deadline)) {
      return TimedOut("sending a request to", options.request_timeout);
    }
  }
  return {};
}

Result<ClientResponse> HttpClient::Impl::Receive(bool is_head, SteadyTime deadline) {
  ClientResponse response;
  std::optional<ResponseParser> parser;
  parser.emplace(response, options, is_head);
  in.resize(std::max<std::size_t>(in.size(), 16 * 1024));
  std::size_t begin = 0;
  std::size_t end = 0;
  while (!parser->is_done()) {
    if (end == in.size()) {
      in.erase(0, begin);
      end -= begin;
      begin = 0;
      in.resize(std::max(in.size(), end + 64 * 1024));
    }
    const ssize_t n = ::recv(socket.fd(), in.data() + end, in.size() - end, 0);
    if (n < 0 && IsAgain(errno)) {
      if (!WaitFor(socket.fd(), POLLIN, deadline)) {
        return TimedOut("waiting for the reply of", options.request_timeout);
      }
      continue;
    }
    error_code ec;
    if (n < 0) {
      return Broken(errno);
    }
    if (n == 0) {
      if (parser->got_some()) {
        parser->put_eof(ec);
      }
      if (ec || !parser->is_done()) {
        return base::Unavailable("server " + base_url +
                                 " closed the connection before its reply was complete")
            .Hint("check the server's log");
      }
      break;
    }
    end += static_cast<std::size_t>(n);
    while (begin < end && !parser->is_done()) {
      const std::size_t used =
          parser->put(boost::asio::const_buffer(in.data() + begin, end - begin), ec);
      begin += used;
      if (ec == http::error::need_more) {
        break;
      }
      if (ec == http::error::header_limit || ec == http::error::body_limit) {
        return base::ResourceExhausted("reply of " + base_url + " is larger than the limits (" +
                                       std::to_string(options.max_body_bytes) + " bytes of body)");
      }
      if (ec) {
        return base::DataLoss("reply of " + base_url + " is no HTTP/1.1: " + ec.message());
      }
      // An interim reply announces the one that counts.
      if (parser->is_done() && response.status >= 100 && response.status < 200) {
        response = {};
        parser.emplace(response, options, is_head);
      }
    }
    if (begin == end) {
      begin = end = 0;
    }
  }
  if (!parser->keep_alive() || begin != end) {
    socket.Close();
  }
  return response;
}

std::string_view ClientResponse::Header(std::string_view name) const {
  for (const auto& [field, value] : headers) {
    if (EqualsIgnoringCase(field, name)) {
      return value;
    }
  }
  return {};
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpClient> HttpClient::Make(std::string_view base_url, ClientOptions options) {
  const auto bad = [base_url](std::string_view why) {
    return base::InvalidArgument("URL \"" + std::string(base_url) + "\" " + std::string(why))
        .Hint("write it as http://host:port");
  };
  if (base_url.starts_with("https://")) {
    return base::Unimplemented("URL \"" + std::string(base_url) +
                               "\" asks for TLS, which this client does not speak")
        .Hint("use http:// on a trusted network");
  }
  if (!base_url.starts_with("http://")) {
    return bad("does not begin with http://");
  }
  if (base_url.find_first_of(std::string_view("\r\n \0", 4)) != std::string_view::npos) {
    return bad("holds a blank or a line break");
  }
  std::string_view rest = base_url.substr(7);
  const std::string_view authority = rest.substr(0, rest.find('/'));
  std::string_view prefix = rest.substr(authority.size());
  while (prefix.ends_with('/')) {
    prefix.remove_suffix(1);
  }
  auto impl = std::make_unique<Impl>();
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) {
    return bad("has an address without its closing bracket");
  }
  const std::size_t colon = authority.find(':', bracket);
  std::string_view host = authority.substr(0, colon);
  impl->port = colon == std::string_view::npos ? "80" : std::string(authority.substr(colon + 1));
  std::uint16_t number = 0;
  const char* const port_end = impl->port.data() + impl->port.size();
  const auto parsed = std::from_chars(impl->port.data(), port_end, number);
  if (parsed.ec != std::errc() || parsed.ptr != port_end || number == 0) {
    return bad("has port \"" + impl->port + "\"; wanted 1 to 65535");
  }
  if (bracket != 0) {
    host = host.substr(1, bracket - 1);
  }
  if (host.empty()) {
    return bad("names no host");
  }
  impl->base_url = std::string(base_url);
  impl->host = std::string(host);
  impl->prefix = std::string(prefix);
  impl->host_field = std::string(authority);
  impl->options = options;
  return HttpClient(std::move(impl));
}

Result<ClientResponse> HttpClient::Send(std::string_view method, std::string_view target,
                                        std::string_view body, const Headers& headers) {
  Impl& impl = *impl_;
  for (const auto& [name, value] : headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return base::InvalidArgument("header field \"" + name + "\" holds a line break");
    }
  }
  if (impl.socket.is_open() && impl.IsStale()) {
    impl.socket.Close();
  }
  if (!impl.socket.is_open()) {
    MILL_RETURN_IF_ERROR(impl.Connect());
  }
  impl.Compose(method, target, body, headers);
  const SteadyTime deadline = std::chrono::steady_clock::now() + impl.options.request_timeout;
  Result<void> sent = impl.SendAll(deadline);
  if (!sent.ok()) {
    impl.socket.Close();
    return std::move(sent).error();
  }
  Result<ClientResponse> response = impl.Receive(method == "HEAD", deadline);
  if (!response.ok()) {
    impl.socket.Close();
  }
  return response;
}

Result<ClientResponse> HttpClient::Get(std::string_view target, const Headers& headers) {
  return Send("GET", target, {}, headers);
}

Result<ClientResponse> HttpClient::Post(std::string_view target, std::string_view content_type,
                                        std::string_view body, const Headers& headers) {
  Headers all = headers;
  all.emplace_back("Content-Type", content_type);
  return Send("POST", target, body, all);
}

}  // namespace millrace::net
