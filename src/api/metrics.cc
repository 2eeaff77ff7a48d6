// SPDX-License-Identifier: Apache-2.0
// Counting of requests and the Prometheus text format
// (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).
#include "api/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "serving/endpoint.h"

namespace millrace::api {

namespace {

constexpr std::string_view kOther = "other";

void AppendNumber(double value, std::string& out) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void AppendLabel(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append("=\"");
  for (const char c : value) {
    if (c == '\n') {
      out.append("\\n");
    } else {
      if (c == '"' || c == '\\') {
        out.push_back('\\');
      }
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void AppendHead(std::string_view name, std::string_view type, std::string_view help,
                std::string& out) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void AppendSample(std::string_view name, std::string_view labels, double value, std::string& out) {
  out.append(name);
  if (!labels.empty()) {
    out.append("{").append(labels).append("}");
  }
  out.push_back(' ');
  AppendNumber(value, out);
  out.push_back('\n');
}

void AppendEndpoints(const serving::EndpointSet& endpoints, std::string& out) {
  const auto all = endpoints.All();
  AppendHead("millrace_endpoint_ready", "gauge", "1 where the endpoint answers.", out);
  for (const auto& endpoint : *all) {
    std::string labels;
    AppendLabel("endpoint", endpoint->name(), labels);
    AppendSample("millrace_endpoint_ready", labels, endpoint->Current() ? 1 : 0, out);
  }
  AppendHead("millrace_model_info", "gauge", "The model version that answers; always 1.", out);
  for (const auto& endpoint : *all) {
    if (const auto snapshot = endpoint->Current()) {
      std::string labels;
      AppendLabel("endpoint", endpoint->name(), labels);
      labels.push_back(',');
      AppendLabel("model", snapshot->version().name, labels);
      labels.push_back(',');
      AppendLabel("version", std::to_string(snapshot->version().version), labels);
      AppendSample("millrace_model_info", labels, 1, out);
    }
  }
  AppendHead("millrace_rows_scored_total", "counter", "Rows scored.", out);
  for (const auto& endpoint : *all) {
    std::string labels;
    AppendLabel("endpoint", endpoint->name(), labels);
    AppendSample("millrace_rows_scored_total", labels, static_cast<double>(endpoint->rows_scored()),
                 out);
  }
}

}  // namespace

Metrics::Route::~Route() {
  for (std::atomic<Series*>& series : by_status) {
    delete series.load();
  }
}

void Metrics::AddRoute(std::string_view pattern) {
  routes_.try_emplace(std::string(pattern));
}

void Metrics::Record(std::string_view pattern, int status, double seconds) {
  auto found = routes_.find(pattern);
  found = found == routes_.end() ? routes_.find(kOther) : found;
  if (found == routes_.end()) {
    return;
  }
  std::atomic<Series*>& slot =
      found->second.by_status[static_cast<std::size_t>(std::clamp(status, 100, 599) - 100)];
  Series* series = slot.load(std::memory_order_acquire);
  if (series == nullptr) {
    auto fresh = std::make_unique<Series>();
    if (slot.compare_exchange_strong(series, fresh.get(), std::memory_order_acq_rel)) {
      series = fresh.release();
    }
  }
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  series->buckets[static_cast<std::size_t>(bound - kBounds.begin())].fetch_add(
      1, std::memory_order_relaxed);
  series->nanoseconds.fetch_add(static_cast<std::uint64_t>(std::max(seconds, 0.0) * 1e9),
                                std::memory_order_relaxed);
}

void Metrics::AppendRequests(std::string& out) const {
  std::string totals;
  std::string times;
  for (const auto& [pattern, route] : routes_) {
    for (std::size_t s = 0; s < route.by_status.size(); ++s) {
      const Series* const series = route.by_status[s].load(std::memory_order_acquire);
      if (series == nullptr) {
        continue;
      }
      std::string labels;
      AppendLabel("route", pattern, labels);
      labels.push_back(',');
      AppendLabel("status", std::to_string(s + 100), labels);
      std::uint64_t count = 0;
      for (std::size_t b = 0; b <= kBounds.size(); ++b) {
        count += series->buckets[b].load(std::memory_order_relaxed);
        std::string bound;
        if (b < kBounds.size()) {
          AppendNumber(kBounds[b], bound);
        } else {
          bound = "+Inf";
        }
        AppendSample("millrace_http_request_seconds_bucket", labels + ",le=\"" + bound + "\"",
                     static_cast<double>(count), times);
      }
      const double seconds =
          static_cast<double>(series->nanoseconds.load(std::memory_order_relaxed)) * 1e-9;
      AppendSample("millrace_http_request_seconds_sum", labels, seconds, times);
      AppendSample("millrace_http_request_seconds_count", labels, static_cast<double>(count),
                   times);
      AppendSample("millrace_http_requests_total", labels, static_cast<double>(count), totals);
    }
  }
  AppendHead("millrace_http_requests_total", "counter", "Requests answered.", out);
  out.append(totals);
  AppendHead("millrace_http_request_seconds", "histogram", "Time in the handler.", out);
  out.append(times);
}

std::string Metrics::Text(const serving::EndpointSet* endpoints, double uptime_seconds) const {
  std::string out;
  AppendRequests(out);
  if (endpoints != nullptr) {
    AppendEndpoints(*endpoints, out);
  }
  AppendHead("millrace_uptime_seconds", "gauge", "Seconds since the server started.", out);
  AppendSample("millrace_uptime_seconds", "", uptime_seconds, out);
  return out;
}

}  // namespace millrace::api
