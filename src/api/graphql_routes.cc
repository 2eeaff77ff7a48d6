// SPDX-License-Identifier: Apache-2.0
// /graphql: each root field is one request to the REST interface, whose answer is then cut down to
// what was selected.
#include <functional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "api/internal/graphql.h"
#include "api/internal/message.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "base/json.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;
using Kind = GraphqlField::Kind;

// The request behind a root field.
struct RootField {
  std::string_view name;
  std::string_view method;
  std::string_view path;
};
constexpr RootField kRootFields[] = {
    {"mlflowGetExperiment", "GET", "/api/2.0/mlflow/experiments/get"},
    {"mlflowGetRun", "GET", "/api/2.0/mlflow/runs/get"},
    {"mlflowSearchRuns", "POST", "/api/2.0/mlflow/runs/search"},
    {"mlflowGetMetricHistoryBulkInterval", "GET",
     "/api/2.0/mlflow/metrics/get-history-bulk-interval"},
    {"mlflowListArtifacts", "GET", "/api/2.0/mlflow/artifacts/list"},
    {"mlflowSearchModelVersions", "GET", "/api/2.0/mlflow/model-versions/search"},
    {"mlflowSearchDatasets", "POST", "/api/2.0/mlflow/experiments/search-datasets"},
};

// Answers one GraphQL request.
class Answerer {
 public:
  Answerer(const RequestAnswer& answer, const net::Request& outer)
      : answer_(answer), outer_(outer) {}

  // `{"data": ..., "errors": ...}`
  json Answer(const json& body) {
    const json variables = body.value("variables", json::object());
    const json name = body.value("operationName", json());
    const json query = body.value("query", json());
    const auto operation = ParseGraphql(query.is_string() ? query.get<std::string>() : "",
                                        variables, name.is_string() ? name.get<std::string>() : "");
    if (!operation.ok()) {
      return {{"data", json()}, {"errors", json::array({operation.error().message()})}};
    }
    const std::string type = operation->is_mutation ? "Mutation" : "Query";
    // As GraphQL wants it: a document that does not fit the schema is not run at all.
    if (const Result<void> fits = Fits(operation->selections, type); !fits.ok()) {
      return {{"data", json()}, {"errors", json::array({fits.error().message()})}};
    }
    json data = json::object();
    json errors = json::array();
    for (const Selection& selection : operation->selections) {
      Result<json> value = Root(selection, type);
      if (!value.ok()) {
        errors.push_back(value.error().message());
      }
      data[selection.key] = value.ok() ? std::move(*value) : json();
    }
    return {{"data", std::move(data)}, {"errors", errors.empty() ? json() : std::move(errors)}};
  }

 private:
  static Result<void> Fits(const std::vector<Selection>& selections, const std::string& type) {
    for (const Selection& selection : selections) {
      if (selection.name == "__typename") {
        continue;
      }
      MILL_ASSIGN_OR_RETURN(const GraphqlField field, FindGraphqlField(type, selection.name));
      if (field.kind == Kind::kNull) {
        continue;
      }
      const bool is_object = field.kind == Kind::kObject || field.kind == Kind::kObjects;
      if (is_object == selection.selections.empty()) {
        return base::InvalidArgument("Field '" + selection.name +
                                     (is_object ? "' must have a selection of subfields."
                                                : "' must not have a selection since it is no "
                                                  "object."));
      }
      MILL_RETURN_IF_ERROR(Fits(selection.selections, field.type));
    }
    return {};
  }

  Result<json> Root(const Selection& selection, const std::string& type) {
    if (selection.name == "__typename") {
      return json(type);
    }
    MILL_ASSIGN_OR_RETURN(const GraphqlField field, FindGraphqlField(type, selection.name));
    if (field.type == "Test") {
      return Object({{"output", selection.arguments.value("inputString", json())}}, selection,
                    field.type);
    }
    json request = json::object();
    const json input = selection.arguments.value("input", json::object());
    if (input.is_object()) {
      for (const auto& [key, value] : input.items()) {
        request[SnakeCase(key)] = value;
      }
    }
    for (const RootField& root : kRootFields) {
      if (root.name == selection.name) {
        MILL_ASSIGN_OR_RETURN(const json reply, Ask(root.method, root.path, request));
        return Object(reply, selection, field.type);
      }
    }
    return base::InvalidArgument("Cannot query field '" + selection.name + "'.");
  }

  // What a client would get that asked the route itself, with the rights of this request.
  Result<json> Ask(std::string_view method, std::string_view path, const json& body) {
    const std::string text = base::DumpJson(body);
    std::vector<net::HeaderField> headers = {{"Content-Type", "application/json"}};
    for (const net::HeaderField& field : outer_.headers) {
      if (!net::EqualsIgnoringCase(field.name, "Content-Type")) {
        headers.push_back(field);
      }
    }
    net::Request request = outer_;
    request.method = method;
    request.target = path;
    request.headers = headers;
    request.body = text;
    const net::Response response = answer_(request);
    if (response.status == 401 || response.status == 403) {
      return base::Error(base::ErrorCode::kPermissionDenied, "Permission denied");
    }
    MILL_ASSIGN_OR_RETURN(json reply, base::ParseJson(response.body, "reply"));
    if (response.status != 200) {
      return base::InvalidArgument(reply.value("message", "the request failed"));
    }
    return reply;
  }

  Result<json> Object(const json& value, const Selection& selection, const std::string& type) {
    json object = json::object();
    for (const Selection& each : selection.selections) {
      if (each.name == "__typename") {
        object[each.key] = type;
        continue;
      }
      MILL_ASSIGN_OR_RETURN(const GraphqlField field, FindGraphqlField(type, each.name));
      if (type == "MlflowRun" && (each.name == "experiment" || each.name == "modelVersions")) {
        MILL_ASSIGN_OR_RETURN(object[each.key], OfRun(value, each, field));
        continue;
      }
      const auto found = value.find(SnakeCase(each.name));
      MILL_ASSIGN_OR_RETURN(object[each.key],
                            Value(found == value.end() ? json() : *found, each, field));
    }
    return object;
  }

  // What GraphQL shows of a run beyond the REST interface.
  Result<json> OfRun(const json& run, const Selection& selection, const GraphqlField& field) {
    const json& info = run.at("info");
    if (selection.name == "experiment") {
      const json request = {{"experiment_id", info.at("experiment_id")}};
      MILL_ASSIGN_OR_RETURN(const json reply,
                            Ask("GET", "/api/2.0/mlflow/experiments/get", request));
      return Value(reply.value("experiment", json()), selection, field);
    }
    const json request = {{"filter", "run_id='" + info.at("run_id").get<std::string>() + "'"}};
    MILL_ASSIGN_OR_RETURN(const json reply,
                          Ask("GET", "/api/2.0/mlflow/model-versions/search", request));
    return Value(reply.value("model_versions", json()), selection, field);
  }

  // A field that REST leaves out has the empty value of its type.
  Result<json> Value(const json& value, const Selection& selection, const GraphqlField& field) {
    switch (field.kind) {
      case Kind::kText:
        return value.is_null() ? json("") : value;
      case Kind::kLong:
        // As a text: JavaScript's numbers end at 2^53.
        return json(value.is_number_integer() ? std::to_string(value.get<std::int64_t>()) : "0");
      case Kind::kInt:
        return value.is_null() ? json(0) : value;
      case Kind::kFloat:
        // NaN and the infinities are texts in REST and no numbers in GraphQL.
        return value.is_number() ? value : json();
      case Kind::kBool:
        return value.is_null() ? json(false) : value;
      case Kind::kNull:
        return json();
      case Kind::kTexts:
        return value.is_null() ? json::array() : value;
      case Kind::kObject:
        return Object(value.is_null() ? json::object() : value, selection, field.type);
      case Kind::kObjects: {
        json list = json::array();
        for (const json& item : value) {
          MILL_ASSIGN_OR_RETURN(json object, Object(item, selection, field.type));
          list.push_back(std::move(object));
        }
        return list;
      }
    }
    return json();
  }

  const RequestAnswer& answer_;
  const net::Request& outer_;
};

// A GET request may carry query, variables and operationName in its query part.
Result<json> ReadBody(const net::Request& request) {
  if (request.method == "GET" && !request.query().empty()) {
    json body = json::object();
    for (const auto& [name, value] : ParseQuery(request.query())) {
      if (name != "variables") {
        body[name] = value;
        continue;
      }
      MILL_ASSIGN_OR_RETURN(body[name], base::ParseJson(value, "variables"));
    }
    return body;
  }
  MILL_ASSIGN_OR_RETURN(json body, base::ParseJson(request.body, "the request's body"));
  if (!body.is_object()) {
    return base::InvalidArgument("the request's body is no JSON object");
  }
  return body;
}

}  // namespace

void AddGraphqlRoutes(Router& router, const RequestAnswer& answer_request) {
  const auto answer = [answer_request](const RoutedRequest& request) {
    const Result<json> body = ReadBody(request.http);
    if (!body.ok()) {
      return RestError(body.error());
    }
    return JsonReply(base::DumpJson(Answerer(answer_request, request.http).Answer(*body)));
  };
  for (const std::string_view method : {"GET", "POST"}) {
    router.Add(method, "/graphql", RouteAction{.answer = answer, .blocks = true});
  }
}

}  // namespace millrace::api::internal
