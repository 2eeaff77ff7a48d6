// SPDX-License-Identifier: Apache-2.0
// Start and stop of the server: binding, accepting, dealing connections to event loops.
#include "net/http_server.h"

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "net/internal/connection.h"

// After connection.h, which sets Asio up.
#include <boost/asio/post.hpp>

namespace millrace::net {

using internal::Connection;
using internal::error_code;
using internal::tcp;
using internal::Worker;
namespace asio = boost::asio;

Handler Synchronous(std::function<Response(const Request&)> answer) {
  return [answer = std::move(answer)](const Request& request, Reply reply) {
    reply.Send(answer(request));
  };
}

struct HttpServer::Impl {
  Impl(ServerOptions server_options, Handler server_handler)
      : options(std::move(server_options)), handler(std::move(server_handler)) {
    for (int i = 0; i < options.threads; ++i) {
      workers.push_back(std::make_unique<Worker>(options, handler, n_open));
    }
    acceptor.emplace(workers.front()->io);
    retry.emplace(workers.front()->io);
  }

  Result<void> Listen();
  void Accept();
  void Run();
  void Stop(std::chrono::milliseconds grace);

  ServerOptions options;
  Handler handler;
  std::atomic<std::size_t> n_open{0};
  std::vector<std::unique_ptr<Worker>> workers;
  std::optional<tcp::acceptor> acceptor;
  std::optional<asio::steady_timer> retry;
  std::size_t next_worker = 0;
  tcp::endpoint address;
  std::vector<std::thread> threads;
  std::mutex stop_mutex;
  bool is_stopped = false;
};

namespace {

Result<tcp::endpoint> ResolveHost(const ServerOptions& options) {
  error_code ec;
  const asio::ip::address address = asio::ip::make_address(options.host, ec);
  if (!ec) {
    return tcp::endpoint(address, options.port);
  }
  asio::io_context io;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return base::InvalidArgument(
               "host \"" + options.host +
               "\" is neither an address nor a name that resolves: " + ec.message())
        .Hint("use 127.0.0.1 for this machine alone or 0.0.0.0 for every interface");
  }
  return found.begin()->endpoint();
}

std::string AddressText(const tcp::endpoint& address) {
  const std::string ip = address.address().to_string();
  return (address.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(address.port());
}

Error ListenError(const tcp::endpoint& address, const error_code& ec) {
  const std::string text = AddressText(address);
  if (ec == asio::error::address_in_use) {
    return base::FailedPrecondition("cannot listen on " + text +
                                    ": another process already uses this port")
        .Hint("stop that process, or choose another port with --port (0 picks a free one)");
  }
  if (ec == asio::error::access_denied) {
    return base::FailedPrecondition("cannot listen on " + text + ": this user may not use the port")
        .Hint("choose a port above 1023 with --port");
  }
  return base::FailedPrecondition("cannot listen on " + text + ": " + ec.message())
      .Hint("check --host and --port");
}

// The last catch: what a turn of the loop throws (memory is out) costs its connection, not the
// server.
void RunLoop(asio::io_context& io) {
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception&) {
      continue;
    }
  }
}

}  // namespace

Result<void> HttpServer::Impl::Listen() {
  MILL_ASSIGN_OR_RETURN(address, ResolveHost(options));
  error_code ec;
  acceptor->open(address.protocol(), ec);
  if (!ec) {
    acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
  }
  if (!ec) {
    acceptor->bind(address, ec);
  }
  if (!ec) {
    acceptor->listen(asio::socket_base::max_listen_connections, ec);
  }
  if (ec) {
    return ListenError(address, ec);
  }
  address = acceptor->local_endpoint(ec);
  return {};
}

void HttpServer::Impl::Accept() {
  Worker& worker = *workers[next_worker];
  next_worker = (next_worker + 1) % workers.size();
  acceptor->async_accept(worker.io, [this, &worker](const error_code& ec, tcp::socket socket) {
    if (!acceptor->is_open()) {
      return;
    }
    if (ec) {
      // Out of descriptors, most likely: accepting goes on when some have been closed.
      retry->expires_after(std::chrono::milliseconds(50));
      retry->async_wait([this](const error_code& cancelled) {
        if (!cancelled && acceptor->is_open()) {
          Accept();
        }
      });
      return;
    }
    const bool is_refused = n_open.load(std::memory_order_relaxed) >= options.max_connections;
    asio::post(worker.io, [&worker, is_refused, moved = std::move(socket)]() mutable {
      std::make_shared<Connection>(worker, std::move(moved))->Start(is_refused);
    });
    Accept();
  });
}

void HttpServer::Impl::Run() {
  Accept();
  for (const auto& worker : workers) {
    worker->ArmSweep();
    threads.emplace_back([&w = *worker] {
      w.mailbox->SetLoopThread();
      RunLoop(w.io);
    });
  }
}

void HttpServer::Impl::Stop(std::chrono::milliseconds grace) {
  const std::lock_guard lock(stop_mutex);
  if (is_stopped) {
    return;
  }
  is_stopped = true;
  asio::post(workers.front()->io, [this] {
    error_code ec;
    acceptor->close(ec);
    retry->cancel();
  });
  for (const auto& worker : workers) {
    asio::post(worker->io, [&w = *worker] {
      w.is_stopping = true;
      for (Connection* connection : w.connections) {
        connection->OnStop();
      }
    });
  }
  const auto end = std::chrono::steady_clock::now() + grace;
  while (n_open.load(std::memory_order_relaxed) > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  for (const auto& worker : workers) {
    asio::post(worker->io, [&w = *worker] {
      w.sweep.cancel();
      for (Connection* connection : w.connections) {
        connection->Close();
      }
      // Whatever was posted before this still runs; then nothing is left to wait for and run()
      // returns.
      asio::post(w.io, [&w] { w.io.stop(); });
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  // Handlers that were never run hold connections, which refer to their worker: they go before it
  // does.
  for (const auto& worker : workers) {
    worker->mailbox->Close();
    worker->io.restart();
    worker->io.poll();
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}

HttpServer::~HttpServer() {
  Stop(std::chrono::milliseconds(0));
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(ServerOptions options, Handler handler) {
  if (options.threads < 1 || options.threads > 1024) {
    return base::InvalidArgument("threads is " + std::to_string(options.threads) +
                                 "; wanted 1 to 1024");
  }
  if (options.max_header_bytes < 128 || options.max_header_bytes > 16 * 1024 * 1024) {
    return base::InvalidArgument("max_header_bytes is " + std::to_string(options.max_header_bytes) +
                                 "; wanted 128 to 16777216");
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
  MILL_RETURN_IF_ERROR(impl->Listen());
  impl->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::uint16_t HttpServer::port() const {
  return impl_->address.port();
}

std::string HttpServer::url() const {
  return "http://" + AddressText(impl_->address);
}

void HttpServer::Stop(std::chrono::milliseconds grace) {
  impl_->Stop(grace);
}

std::size_t HttpServer::connections() const {
  return impl_->n_open.load(std::memory_order_relaxed);
}

}  // namespace millrace::net
