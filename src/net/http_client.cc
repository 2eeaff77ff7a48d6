// SPDX-License-Identifier: Apache-2.0
// The client: composes requests, parses replies with Beast; its bytes travel over a Stream.
#include "net/http_client.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "net/http_message.h"
#include "net/internal/stream.h"

namespace millrace::net {

namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using internal::SteadyTime;

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

}  // namespace

struct HttpClient::Impl {
  std::string base_url;
  std::string prefix;
  std::string host_field;
  ClientOptions options;
  std::optional<internal::Stream> stream;
  std::string out;
  std::string in;

  void Compose(std::string_view method, std::string_view target, std::string_view body,
               const Headers& headers);
  Result<ClientResponse> Receive(bool is_head, SteadyTime deadline);
};

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
    MILL_ASSIGN_OR_RETURN(const std::size_t n, stream->Receive(std::span<char>(in).subspan(end),
                                                               deadline, options.request_timeout));
    error_code ec;
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
    end += n;
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
    stream->Close();
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
        .Hint("write it as http://host:port or https://host");
  };
  const bool is_tls = base_url.starts_with("https://");
  if (!is_tls && !base_url.starts_with("http://")) {
    return bad("begins with neither http:// nor https://");
  }
  if (base_url.find_first_of(std::string_view("\r\n \0", 4)) != std::string_view::npos) {
    return bad("holds a blank or a line break");
  }
  std::string_view rest = base_url.substr(is_tls ? 8 : 7);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  std::string_view prefix = rest.substr(authority.size());
  if (authority.find('@') != std::string_view::npos) {
    return bad("holds a user or password, which this client does not send");
  }
  if (prefix.find_first_of("?#") != std::string_view::npos) {
    return bad("holds a query or fragment");
  }
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
  const std::string port = colon != std::string_view::npos
                               ? std::string(authority.substr(colon + 1))
                               : std::string(is_tls ? "443" : "80");
  std::uint16_t number = 0;
  const char* const port_end = port.data() + port.size();
  const auto parsed = std::from_chars(port.data(), port_end, number);
  if (parsed.ec != std::errc() || parsed.ptr != port_end || number == 0) {
    return bad("has port \"" + port + "\"; wanted 1 to 65535");
  }
  if (bracket != 0) {
    host = host.substr(1, bracket - 1);
  }
  if (host.empty()) {
    return bad("names no host");
  }
  impl->base_url = std::string(base_url);
  impl->stream.emplace(internal::StreamTarget{
      .url = std::string(base_url),
      .host = std::string(host),
      .port = port,
      .is_tls = is_tls,
      .ca_file = options.ca_file,
      .public_addresses_only = options.public_addresses_only,
  });
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
  internal::Stream& stream = *impl.stream;
  if (stream.is_open() && stream.IsStale()) {
    stream.Close();
  }
  if (!stream.is_open()) {
    MILL_RETURN_IF_ERROR(stream.Connect(impl.options.connect_timeout));
  }
  impl.Compose(method, target, body, headers);
  const std::chrono::milliseconds timeout = impl.options.request_timeout;
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  Result<void> sent = stream.Send(impl.out, deadline, timeout);
  if (!sent.ok()) {
    stream.Close();
    return std::move(sent).error();
  }
  Result<ClientResponse> response = impl.Receive(method == "HEAD", deadline);
  if (!response.ok()) {
    stream.Close();
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
