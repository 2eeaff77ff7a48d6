// SPDX-License-Identifier: Apache-2.0
// A lean HTTP/1.1 load client: connections that are kept, one request in flight on each, times from
// the request's first byte to the answer's last. One thread, no library between it and the socket,
// so that on a small machine it takes little from the server that it measures.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: http_load --url http://ADDRESS:PORT --requests FILE [--connections 1] [--seconds 5]\n"
    "                 [--count N] [--first N] [--body]\n"
    "Each line of FILE is METHOD, PATH and, for POST, a body of JSON, with a tab between them; the "
    "lines\n"
    "are sent in turn. {n} in a line becomes a number that rises from --first by one each "
    "request.\n"
    "Ends after --count requests or after --seconds. Prints one JSON object; --body prints the "
    "body of\n"
    "the last answer after it. Exit code 1 where an answer was no 200.\n";

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "http_load: %s\n", message.c_str());
  std::exit(2);
}

struct Options {
  std::string address;
  int port = 0;
  std::string file;
  int connections = 1;
  double seconds = 5;
  std::uint64_t count = ~std::uint64_t{0};
  std::uint64_t first = 0;
  bool prints_body = false;
};

/// A request around the places where the running number goes; Content-Length follows from them.
struct Template {
  std::string method;
  std::vector<std::string> path;
  std::vector<std::string> body;
};

std::vector<std::string> SplitAtNumber(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t at = text.find("{n}");
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(at + 3);
  }
}

void Join(std::string& out, const std::vector<std::string>& parts, std::string_view number) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) {
      out += number;
    }
    out += parts[i];
  }
}

std::vector<Template> ReadTemplates(const std::string& file) {
  std::ifstream in(file);
  if (!in) {
    Die("cannot read " + file);
  }
  std::vector<Template> templates;
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find('\t');
    if (first == std::string::npos) {
      Die("a line of " + file + " has no tab: " + line.substr(0, 80));
    }
    const std::size_t second = line.find('\t', first + 1);
    Template request;
    request.method = line.substr(0, first);
    request.path = SplitAtNumber(std::string_view(line).substr(
        first + 1, second == std::string::npos ? second : second - first - 1));
    if (second != std::string::npos) {
      request.body = SplitAtNumber(std::string_view(line).substr(second + 1));
    }
    templates.push_back(std::move(request));
  }
  if (templates.empty()) {
    Die(file + " is empty");
  }
  return templates;
}

/// Reads an answer that comes in pieces.
class Answer {
 public:
  void Clear() {
    bytes_.clear();
    body_begin_ = 0;
    end_.reset();
    is_chunked_ = false;
  }
  /// True when the answer is whole.
  bool Add(const char* data, std::size_t size) {
    bytes_.append(data, size);
    if (body_begin_ == 0 && !ReadHead()) {
      return false;
    }
    return is_chunked_ ? HasLastChunk() : bytes_.size() >= *end_;
  }
  int status() const { return bytes_.size() > 12 ? std::atoi(bytes_.c_str() + 9) : 0; }
  std::size_t size() const { return bytes_.size(); }

  std::string Body() const {
    if (!is_chunked_) {
      return bytes_.substr(body_begin_);
    }
    std::string body;
    std::size_t at = body_begin_;
    for (;;) {
      const std::size_t length = std::strtoul(bytes_.c_str() + at, nullptr, 16);
      at = bytes_.find("\r\n", at) + 2;
      if (length == 0) {
        return body;
      }
      body += bytes_.substr(at, length);
      at += length + 2;
    }
  }

 private:
  bool ReadHead() {
    const std::size_t head_end = bytes_.find("\r\n\r\n");
    if (head_end == std::string::npos) {
      return false;
    }
    body_begin_ = head_end + 4;
    chunk_ = body_begin_;
    end_ = body_begin_;
    std::string head = bytes_.substr(0, head_end);
    std::transform(head.begin(), head.end(), head.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::size_t length = head.find("\r\ncontent-length:");
    if (length != std::string::npos) {
      *end_ += std::strtoul(head.c_str() + length + 17, nullptr, 10);
    } else {
      is_chunked_ = head.find("\r\ntransfer-encoding: chunked") != std::string::npos;
    }
    return true;
  }

  bool HasLastChunk() {
    for (;;) {
      const std::size_t line_end = bytes_.find("\r\n", chunk_);
      if (line_end == std::string::npos) {
        return false;
      }
      const std::size_t length = std::strtoul(bytes_.c_str() + chunk_, nullptr, 16);
      const std::size_t next = line_end + 2 + length + 2;
      if (bytes_.size() < next) {
        return false;
      }
      if (length == 0) {
        return true;
      }
      chunk_ = next;
    }
  }

  std::string bytes_;
  /// 0 until the head is whole.
  std::size_t body_begin_ = 0;
  std::optional<std::size_t> end_;
  bool is_chunked_ = false;
  std::size_t chunk_ = 0;
};

struct Connection {
  int fd = -1;
  std::string request;
  std::size_t n_sent = 0;
  Answer answer;
  Clock::time_point begin;
  bool is_waiting = false;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options), templates_(ReadTemplates(options.file)), poll_(epoll_create1(0)) {
    number_ = options.first;
    host_ = options.address + ":" + std::to_string(options.port);
  }

  void Run() {
    std::vector<Connection> connections(static_cast<std::size_t>(options_.connections));
    for (Connection& connection : connections) {
      Connect(connection);
    }
    begin_ = Clock::now();
    end_ = begin_ + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(options_.seconds));
    for (Connection& connection : connections) {
      Start(connection);
    }
    std::vector<epoll_event> events(256);
    while (n_waiting_ > 0) {
      const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 120'000);
      if (n == 0) {
        Die("no answer for two minutes");
      }
      for (int i = 0; i < n; ++i) {
        Receive(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
      }
    }
    seconds_ = std::chrono::duration<double>(Clock::now() - begin_).count();
  }

  int Report() {
    std::sort(times_ms_.begin(), times_ms_.end());
    const auto at = [this](double share) {
      if (times_ms_.empty()) {
        return 0.0;
      }
      const auto i = static_cast<std::size_t>(share * static_cast<double>(times_ms_.size()));
      return times_ms_[std::min(i, times_ms_.size() - 1)];
    };
    std::string failure;
    for (const char c : failure_.substr(0, 300)) {
      failure += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
    std::printf(
        "{\"requests\": %zu, \"failed\": %zu, \"next\": %llu, \"seconds\": %.4f, \"rate\": %.2f, "
        "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, \"bytes\": %llu, "
        "\"reconnects\": %d, \"failure\": \"%s\"}\n",
        times_ms_.size(), n_failed_, static_cast<unsigned long long>(number_), seconds_,
        static_cast<double>(times_ms_.size()) / seconds_, at(0.5), at(0.99), at(1.0),
        static_cast<unsigned long long>(n_bytes_), n_reconnects_, failure.c_str());
    if (options_.prints_body) {
      std::printf("%s\n", last_body_.c_str());
    }
    return n_failed_ == 0 ? 0 : 1;
  }

 private:
  void Connect(Connection& connection) {
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    if (inet_pton(AF_INET, options_.address.c_str(), &address.sin_addr) != 1) {
      Die("not an IPv4 address: " + options_.address);
    }
    if (connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      Die("cannot connect to " + host_ + ": " + std::strerror(errno));
    }
    const int one = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(poll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  void Start(Connection& connection) {
    if (n_started_ >= options_.count || Clock::now() >= end_) {
      return;
    }
    const Template& request = templates_[n_started_ % templates_.size()];
    ++n_started_;
    const std::string number = std::to_string(number_++);
    std::string body;
    Join(body, request.body, number);
    std::string& bytes = connection.request;
    bytes = request.method + " ";
    Join(bytes, request.path, number);
    bytes += " HTTP/1.1\r\nHost: " + host_ + "\r\n";
    if (!request.body.empty()) {
      bytes += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n";
    }
    bytes += "\r\n" + body;
    connection.is_waiting = true;
    ++n_waiting_;
    connection.begin = Clock::now();
    Send(connection);
  }

  void Send(Connection& connection) {
    connection.answer.Clear();
    for (std::string_view left = connection.request; !left.empty();) {
      const ssize_t n = send(connection.fd, left.data(), left.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EINTR) {
        Die("sending to " + host_ + ": " + std::strerror(errno));
      }
      left.remove_prefix(n < 0 ? 0 : static_cast<std::size_t>(n));
    }
  }

  void Receive(Connection& connection) {
    // Servers that answer in two writes would otherwise wait for a delayed acknowledgement between
    // them; the kernel forgets the setting, so it is renewed.
    const int one = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    const ssize_t n = recv(connection.fd, buffer_, sizeof buffer_, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
      return;
    }
    if (n <= 0) {
      close(connection.fd);
      if (connection.is_waiting) {
        // A server may end a connection that it keeps just when the next request comes; clients
        // then send it again, and the time goes on.
        if (connection.answer.size() > 0 || ++n_reconnects_ > 100) {
          Die(host_ + " closed a connection before its answer, after " +
              std::to_string(times_ms_.size()) + " requests: " + connection.request.substr(0, 120));
        }
        Connect(connection);
        Send(connection);
      }
      return;
    }
    if (!connection.answer.Add(buffer_, static_cast<std::size_t>(n))) {
      return;
    }
    times_ms_.push_back(
        std::chrono::duration<double, std::milli>(Clock::now() - connection.begin).count());
    connection.is_waiting = false;
    --n_waiting_;
    n_bytes_ += connection.answer.size();
    if (connection.answer.status() != 200) {
      ++n_failed_;
      if (failure_.empty()) {
        failure_ = std::to_string(connection.answer.status()) + " " + connection.answer.Body();
      }
    }
    if (options_.prints_body) {
      last_body_ = connection.answer.Body();
    }
    Start(connection);
  }

  const Options options_;
  const std::vector<Template> templates_;
  const int poll_;
  std::string host_;
  Clock::time_point begin_;
  Clock::time_point end_;
  std::uint64_t n_started_ = 0;
  std::uint64_t number_ = 0;
  std::size_t n_waiting_ = 0;
  std::size_t n_failed_ = 0;
  int n_reconnects_ = 0;
  std::uint64_t n_bytes_ = 0;
  double seconds_ = 0;
  std::vector<double> times_ms_;
  std::string failure_;
  std::string last_body_;
  char buffer_[256 * 1024];
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (name == "--body") {
      options.prints_body = true;
      continue;
    }
    if (i + 1 == argc) {
      Die(std::string(name) + " needs a value\n" + kUsage);
    }
    const std::string value = argv[++i];
    if (name == "--url") {
      const std::string_view scheme = "http://";
      const std::size_t colon = value.rfind(':');
      if (!value.starts_with(scheme) || colon < scheme.size()) {
        Die("--url wants http://ADDRESS:PORT, got " + value);
      }
      options.address = value.substr(scheme.size(), colon - scheme.size());
      options.port = std::atoi(value.c_str() + colon + 1);
    } else if (name == "--requests") {
      options.file = value;
    } else if (name == "--connections") {
      options.connections = std::max(1, std::atoi(value.c_str()));
    } else if (name == "--seconds") {
      options.seconds = std::atof(value.c_str());
    } else if (name == "--count") {
      options.count = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--first") {
      options.first = std::strtoull(value.c_str(), nullptr, 10);
    } else {
      Die("unknown option " + std::string(name) + "\n" + kUsage);
    }
  }
  if (options.port == 0 || options.file.empty()) {
    Die(std::string("--url and --requests are needed\n") + kUsage);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  Load load(Parse(argc, argv));
  load.Run();
  return load.Report();
}
