// SPDX-License-Identifier: Apache-2.0
// Matching of paths.
#include "api/router.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/check.h"

namespace millrace::api {

namespace {

std::vector<std::string> SplitSegments(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(path.starts_with('/') ? 1 : 0);
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) {
      return segments;
    }
    path.remove_prefix(slash + 1);
  }
}

bool IsParameter(std::string_view segment) {
  return segment.starts_with('{') && segment.ends_with('}');
}

}  // namespace

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const char* const first = text.data() + i + 1;
      const auto read = std::from_chars(first, first + 2, byte, 16);
      if (read.ec == std::errc() && read.ptr == first + 2) {
        out.push_back(static_cast<char>(byte));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

void Router::Add(std::string_view method, std::string_view pattern, RouteAction action) {
  const std::vector<std::string> segments = SplitSegments(pattern);
  bool is_static = true;
  for (const std::string& segment : segments) {
    is_static = is_static && !IsParameter(segment);
  }
  Route* route = nullptr;
  if (is_static) {
    route = &static_routes_[std::string(pattern)];
  } else {
    for (Route& known : routes_) {
      route = known.pattern == pattern ? &known : route;
    }
    if (route == nullptr) {
      const bool has_rest = segments.back().ends_with("...}");
      // Routes that take any rest are asked last.
      const auto place = has_rest ? routes_.end()
                                  : std::find_if(routes_.begin(), routes_.end(),
                                                 [](const Route& known) { return known.has_rest; });
      route = &*routes_.emplace(place);
      route->has_rest = has_rest;
    }
  }
  route->pattern = std::string(pattern);
  route->segments = segments;
  const bool is_new = route->methods.emplace(std::string(method), std::move(action)).second;
  MILL_CHECK(is_new);
}

Router::Match Router::FromRoute(const Route& route, std::string_view method,
                                std::vector<std::string> params) const {
  Match match;
  match.pattern = route.pattern;
  match.params = std::move(params);
  const auto found = route.methods.find(method == "HEAD" ? std::string_view("GET") : method);
  if (found != route.methods.end()) {
    match.action = &found->second;
    return match;
  }
  for (const auto& [known, action] : route.methods) {
    match.allow += (match.allow.empty() ? "" : ", ") + known;
  }
  return match;
}

Router::Match Router::Find(std::string_view method, std::string_view path) const {
  const auto found = static_routes_.find(path);
  if (found != static_routes_.end()) {
    return FromRoute(found->second, method, {});
  }
  const std::vector<std::string> segments = SplitSegments(path);
  for (const Route& route : routes_) {
    const std::size_t n = route.segments.size() - (route.has_rest ? 1 : 0);
    if (route.has_rest ? segments.size() <= n : segments.size() != n) {
      continue;
    }
    std::vector<std::string> params;
    bool is_match = true;
    std::size_t rest = 0;
    for (std::size_t i = 0; i < n && is_match; ++i) {
      rest += 1 + segments[i].size();
      if (IsParameter(route.segments[i])) {
        is_match = !segments[i].empty();
        params.push_back(PercentDecode(segments[i]));
      } else {
        is_match = route.segments[i] == segments[i];
      }
    }
    if (is_match && route.has_rest) {
      params.emplace_back(path.substr(rest + 1));
    }
    if (is_match) {
      return FromRoute(route, method, std::move(params));
    }
  }
  return {};
}

std::vector<std::string> Router::Patterns() const {
  std::vector<std::string> patterns;
  for (const auto& [pattern, route] : static_routes_) {
    patterns.push_back(pattern);
  }
  for (const Route& route : routes_) {
    patterns.push_back(route.pattern);
  }
  return patterns;
}

std::vector<Router::RouteInfo> Router::Routes() const {
  std::vector<RouteInfo> routes;
  const auto add = [&](const Route& route) {
    for (const auto& [method, action] : route.methods) {
      routes.push_back({method, route.pattern, action.fields});
    }
  };
  for (const auto& [pattern, route] : static_routes_) {
    add(route);
  }
  for (const Route& route : routes_) {
    add(route);
  }
  std::sort(routes.begin(), routes.end(), [](const auto& a, const auto& b) {
    return std::tie(a.pattern, a.method) < std::tie(b.pattern, b.method);
  });
  return routes;
}

}  // namespace millrace::api
