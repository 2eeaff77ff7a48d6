// SPDX-License-Identifier: Apache-2.0
// The declaration of endpoints/*.yaml.
#include "serving/endpoint_spec.h"

#include <algorithm>

namespace millrace::serving {

namespace {

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

const base::Declaration<EndpointSpec>& EndpointSpec::Declared() {
  static const base::Declaration<EndpointSpec> declaration = [] {
    base::Declaration<EndpointSpec> d(
        "endpoint", "A URL that predicts, and the model version behind it (endpoints/*.yaml).");
    d.Field("name", &EndpointSpec::name, "Part of the URL: /endpoints/<name>/invocations.",
            {.required = true});
    d.Field("description", &EndpointSpec::description, "A sentence for people.");
    d.Field("model", &EndpointSpec::model, "Name of the registered model that answers.",
            {.required = true});
    d.Field("alias", &EndpointSpec::alias,
            "Alias whose version answers; the server follows it within two seconds.");
    d.Field("entity", &EndpointSpec::entity,
            "Entity that a request may name instead of sending its features.");
    d.Field("key", &EndpointSpec::key, "Column that holds the entity's key.");
    d.Field("views", &EndpointSpec::views,
            "Feature views whose stored values complete a row; all of the model's if empty.");
    d.Field("as_of", &EndpointSpec::as_of, "Instant as of which deploy publishes feature values.");
    return d;
  }();
  return declaration;
}

Result<void> CheckEndpointSpec(const EndpointSpec& spec) {
  const bool is_name = !spec.name.empty() && spec.name.size() <= 63 &&
                       IsNameChar(spec.name.front()) &&
                       std::all_of(spec.name.begin(), spec.name.end(),
                                   [](char c) { return IsNameChar(c) || c == '-' || c == '_'; });
  if (!is_name) {
    return base::InvalidArgument("endpoint name \"" + spec.name + "\" cannot stand in a URL")
        .Hint("use 1 to 63 letters, digits, \"-\" and \"_\", beginning with a letter or digit");
  }
  if (spec.entity.empty() != spec.key.empty()) {
    return base::InvalidArgument(
               "endpoint \"" + spec.name + "\" has " +
               (spec.key.empty() ? "an entity but no key" : "a key but no entity"))
        .Hint("give both, or neither for full rows only");
  }
  if (!spec.views.empty() && spec.key.empty()) {
    return base::InvalidArgument("endpoint \"" + spec.name +
                                 "\" has views but no key to look them up by")
        .Hint("give entity and key");
  }
  return {};
}

}  // namespace millrace::serving
