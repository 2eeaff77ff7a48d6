// SPDX-License-Identifier: Apache-2.0
// Router: from method and path to a handler; static segments and {parameters}, 404 and 405.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/internal/field.h"
#include "net/http_server.h"

namespace millrace::api {

/// A request with the values of its path's parameters. Valid until its reply is sent.
struct RoutedRequest {
  const net::Request& http;
  /// Percent-decoded values of the {parameters}, in the order of the pattern.
  std::vector<std::string> params;
  /// Who sends it; empty where nobody has to say.
  std::string user = {};
};

/// Answers when it returns.
using RouteHandler = std::function<net::Response(const RoutedRequest&)>;
/// Answers by sending the reply, now or later. `request.http` is valid until then, the rest of
/// `request` until the handler returns.
using AsyncRouteHandler = std::function<void(const RoutedRequest& request, net::Reply)>;
/// Says where the body goes, when the header has come.
using UploadHandler = std::function<net::BodyRoute(const RoutedRequest& head)>;

/// What a route does; one handler is set.
struct RouteAction {
  RouteHandler answer = {};
  AsyncRouteHandler answer_later = {};
  /// Streams the body to a sink, which also answers. For PUT alone, so that other requests need not
  /// be looked up twice.
  UploadHandler take_body = {};
  /// `answer` reads files or the database: such a handler never runs on a thread that serves
  /// connections.
  bool blocks = false;
  /// What a request is checked by, where that is declared.
  std::span<const internal::Field> fields = {};
};

/// "%20" becomes a blank; a "%" without two hex digits stays as it is.
std::string PercentDecode(std::string_view text);

/// Built once, then read by many threads.
class Router {
 public:
  struct Match {
    /// Null if nothing matched.
    const RouteAction* action = nullptr;
    /// The pattern that matched, or "" : the label of metrics.
    std::string_view pattern;
    std::vector<std::string> params;
    /// Methods of the path, comma separated, where the path is known but not the method (405);
    /// otherwise empty.
    std::string allow;
  };

  /// @param pattern  "/endpoints/{name}/invocations"; a parameter stands for one whole, non-empty
  /// segment. A last "{path...}" stands for the rest of the path, slashes and all, not decoded;
  /// such patterns come after all others. Static patterns win. The same method and pattern twice is
  /// a broken invariant. GET routes answer HEAD as well.
  void Add(std::string_view method, std::string_view pattern, RouteHandler handler) {
    Add(method, pattern, RouteAction{.answer = std::move(handler)});
  }
  void Add(std::string_view method, std::string_view pattern, RouteAction action);
  /// Every pattern, once.
  std::vector<std::string> Patterns() const;
  struct RouteInfo {
    std::string method;
    std::string pattern;
    std::span<const internal::Field> fields;
  };
  /// Every method of every pattern, sorted by pattern and method.
  std::vector<RouteInfo> Routes() const;
  Match Find(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string pattern;
    std::vector<std::string> segments;
    /// Its last segment stands for the rest of the path.
    bool has_rest = false;
    std::map<std::string, RouteAction, std::less<>> methods;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  Match FromRoute(const Route& route, std::string_view method,
                  std::vector<std::string> params) const;

  std::unordered_map<std::string, Route, TextHash, std::equal_to<>> static_routes_;
  std::vector<Route> routes_;
};

}  // namespace millrace::api
