// SPDX-License-Identifier: Apache-2.0
// A server and a client of raw bytes, for tests.
#pragma once

#include <arpa/inet.h>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

#include "net/http_server.h"

namespace millrace::net::testing {

// A client that sends exactly the bytes it is told to.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { Close(); }
  void Close() {
    if (fd_ >= 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Reads until `enough` says so, the server closes, or 5 s have passed.
  std::string ReadUntil(const std::function<bool(const std::string&)>& enough) {
    std::string text;
    char block[4096];
    while (!enough(text)) {
      pollfd entry{fd_, POLLIN, 0};
      if (::poll(&entry, 1, 5000) <= 0) {
        ADD_FAILURE() << "no answer within 5 s; so far: " << text.substr(0, 200);
        break;
      }
      const ssize_t n = ::recv(fd_, block, sizeof block, 0);
      if (n <= 0) {
        break;
      }
      text.append(block, static_cast<std::size_t>(n));
    }
    return text;
  }
  std::string ReadToEnd() {
    return ReadUntil([](const std::string&) { return false; });
  }

 private:
  int fd_;
};

inline std::size_t Count(const std::string& text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + part.size())) {
    ++n;
  }
  return n;
}

/// A reply of plain text.
inline Response Text(std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

inline std::unique_ptr<HttpServer> StartServer(ServerOptions options, Handler handler) {
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::Start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << (server.ok() ? "" : server.error().ToString());
  return std::move(server).value();
}

/// Until it is so, for at most 10 s.
inline void WaitUntil(const std::function<bool()>& is_so) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!is_so() && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(is_so());
}

}  // namespace millrace::net::testing
