// SPDX-License-Identifier: Apache-2.0
// What the server counts about its requests, and the Prometheus text of it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace millrace::serving {
class EndpointSet;
}

namespace millrace::api {

/// Requests and their times by route and status. Names are those of tests/golden/metric_names.txt.
/// `Record` and `Text` are thread-safe and take no lock; routes are added before the first of them.
class Metrics {
 public:
  /// Upper bounds of the histogram in seconds.
  static constexpr std::array<double, 14> kBounds = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0};

  /// @param pattern  the label of a route
  void AddRoute(std::string_view pattern);
  /// A pattern that was not added counts under "other".
  void Record(std::string_view pattern, int status, double seconds);
  /// Prometheus text format 0.0.4.
  std::string Text(const serving::EndpointSet* endpoints, double uptime_seconds) const;

 private:
  struct Series {
    std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> buckets{};
    std::atomic<std::uint64_t> nanoseconds{0};
  };
  // Statuses 100 to 599; a series is made when its status is first seen.
  struct Route {
    std::array<std::atomic<Series*>, 500> by_status{};
    Route() = default;
    Route(const Route&) = delete;
    Route& operator=(const Route&) = delete;
    ~Route();
  };

  void AppendRequests(std::string& out) const;

  std::map<std::string, Route, std::less<>> routes_;
};

}  // namespace millrace::api
