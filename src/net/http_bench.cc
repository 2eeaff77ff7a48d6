// SPDX-License-Identifier: Apache-2.0
// Micro-benchmark: small requests over loopback, client and server on the same cores.
#include <benchmark/benchmark.h>

#include "net/http_client.h"
#include "net/http_server.h"

namespace millrace::net {
namespace {

void SmallRequest(benchmark::State& state) {
  auto server = HttpServer::Start({}, Synchronous([](const Request& request) {
                                    return Response{.body = std::string(request.body)};
                                  }));
  auto client = HttpClient::Make((*server)->url());
  const std::string body(200, 'x');
  for (auto _ : state) {
    auto reply = client->Post("/echo", "text/plain", body);
    if (!reply.ok() || reply->body != body) {
      state.SkipWithError("the echo differs");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SmallRequest)->UseRealTime();

}  // namespace
}  // namespace millrace::net
