// SPDX-License-Identifier: Apache-2.0
// docs/api/openapi.yaml describes the routes that there are, with the fields that are declared.
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "api/internal/tracking_testing.h"
#include "api/router.h"
#include "base/yaml.h"
#include "store/artifacts.h"
#include "store/key_value.h"
#include "tracking/access.h"

namespace millrace::api {
namespace {

using base::YamlNode;
using internal::Field;
using internal::FieldType;

class OpenApiTest : public TrackingApiTest {
 protected:
  OpenApiTest() {
    std::ifstream file(MILLRACE_SOURCE_DIR "/docs/api/openapi.yaml");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    document_ = YamlNode::Parse(text, "openapi.yaml").value();
    ApiParts parts;
    parts.endpoints = &endpoints_;
    parts.online = online_.get();
    parts.tracking = tracking_.get();
    parts.registry = registry_.get();
    parts.artifacts = artifacts_.get();
    parts.access = access_.get();
    parts.description = "openapi: 3.1.0\n";
    parts.webhooks = webhooks_.get();
    parts.traces = traces_.get();
    parts.evaluation_datasets = evaluation_datasets_.get();
    parts.scorers = scorers_.get();
    parts.issues = issues_.get();
    full_ = std::make_unique<Api>(Context{}, std::move(parts));
    const std::optional<YamlNode> paths = document_.Find("paths");
    for (const auto& [path, operations] : paths->entries()) {
      for (const auto& [method, operation] : operations.entries()) {
        std::string upper = method.text();
        for (char& c : upper) {
          c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        }
        operations_[upper + " " + path.text()] = operation;
      }
    }
  }

  // Names of the fields that the description gives, and those that it requires.
  static void Described(const YamlNode& operation, std::set<std::string>& names,
                        std::set<std::string>& required, std::map<std::string, YamlNode>& types) {
    if (const auto parameters = operation.Find("parameters")) {
      for (const YamlNode& parameter : parameters->items()) {
        if (parameter.Find("in")->text() != "query") {
          continue;
        }
        const std::string name = parameter.Find("name")->text();
        names.insert(name);
        types[name] = *parameter.Find("schema");
        if (parameter.Find("required")) {
          required.insert(name);
        }
      }
    }
    if (const auto body = operation.Find("requestBody")) {
      const YamlNode schema = *body->Find("content")->Find("application/json")->Find("schema");
      for (const auto& [name, type] : schema.Find("properties")->entries()) {
        names.insert(name.text());
        types[name.text()] = type;
      }
      if (const auto list = schema.Find("required")) {
        for (const YamlNode& name : list->items()) {
          required.insert(name.text());
        }
      }
    }
  }

  static std::string TypeText(const YamlNode& schema) {
    if (schema.Find("$ref")) {
      const std::string target = schema.Find("$ref")->text();
      return target.ends_with("/Double") ? "double" : "object";
    }
    return schema.Find("enum") ? "enum" : schema.Find("type")->text();
  }
  static std::string TypeText(const Field& field) {
    switch (field.type) {
      case FieldType::kText:
        return "string";
      case FieldType::kInt32:
      case FieldType::kInt64:
        return "integer";
      case FieldType::kDouble:
        return "double";
      case FieldType::kBool:
        return "boolean";
      case FieldType::kEnum:
        return "enum";
      case FieldType::kTexts:
      case FieldType::kObjects:
        return "array";
      case FieldType::kObject:
        return "object";
      case FieldType::kAny:
        return "any";
    }
    return "";
  }

  std::unique_ptr<tracking::Access> access_ = tracking::Access::Open(*metadata_, clock_).value();
  std::unique_ptr<store::KeyValue> online_ = store::MakeMemoryKeyValue();
  std::unique_ptr<store::ArtifactStore> artifacts_ =
      store::OpenArtifacts(*workspace_, "", *metadata_).value();
  YamlNode document_;
  std::unique_ptr<Api> full_;
  std::map<std::string, YamlNode> operations_;
};

// The twin of a route of MLflow's web pages, or the path itself; a rest of the path is a parameter
// like any other.
std::string WithoutAjax(const std::string& pattern) {
  std::string path = pattern.starts_with("/ajax-api/") ? "/api/" + pattern.substr(10) : pattern;
  if (const std::size_t dots = path.find("...}"); dots != std::string::npos) {
    path.erase(dots, 3);
  }
  return path;
}

TEST_F(OpenApiTest, DescribesEveryRouteAndNoOther) {
  std::set<std::string> there;
  for (const Router::RouteInfo& route : full_->router().Routes()) {
    const std::string name = route.method + " " + WithoutAjax(route.pattern);
    there.insert(name);
    EXPECT_TRUE(operations_.contains(name)) << name << " is not described";
  }
  for (const auto& [name, operation] : operations_) {
    EXPECT_TRUE(there.contains(name)) << name << " is described, but not there";
  }
}

TEST_F(OpenApiTest, EveryMlflowRouteHasItsTwinForWebPages) {
  std::set<std::string> there;
  for (const Router::RouteInfo& route : full_->router().Routes()) {
    there.insert(route.method + " " + route.pattern);
  }
  for (const std::string& name : there) {
    const std::size_t api = name.find(" /api/");
    if (api != std::string::npos && name.find("/mlflow") != std::string::npos) {
      const std::string twin = name.substr(0, api) + " /ajax-api/" + name.substr(api + 6);
      EXPECT_TRUE(there.contains(twin)) << twin;
    }
  }
}

TEST_F(OpenApiTest, FieldsAreThoseThatRequestsAreCheckedBy) {
  int n_checked = 0;
  for (const Router::RouteInfo& route : full_->router().Routes()) {
    const std::string name = route.method + " " + WithoutAjax(route.pattern);
    if (route.fields.empty() || !operations_.contains(name)) {
      continue;
    }
    std::set<std::string> names;
    std::set<std::string> required;
    std::map<std::string, YamlNode> types;
    Described(operations_.at(name), names, required, types);
    std::set<std::string> declared;
    std::set<std::string> wanted;
    for (const Field& field : route.fields) {
      const std::string key(field.name);
      declared.insert(key);
      if (field.is_required) {
        wanted.insert(key);
      }
      if (types.contains(key) && field.type != FieldType::kAny) {
        EXPECT_EQ(TypeText(types.at(key)), TypeText(field)) << name << ": " << key;
      }
    }
    EXPECT_EQ(names, declared) << name;
    EXPECT_EQ(required, wanted) << name;
    ++n_checked;
  }
  EXPECT_GT(n_checked, 80);
}

}  // namespace
}  // namespace millrace::api
