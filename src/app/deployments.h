// SPDX-License-Identifier: Apache-2.0
// Which endpoints are deployed in a workspace, kept in its metadata; and the resolver that a server
// follows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/environment.h"
#include "serving/endpoint.h"

namespace millrace::app {

/// Adds or replaces the deployed endpoint of that name.
Result<void> SaveDeployment(store::Metadata& metadata, const serving::EndpointSpec& spec);
/// By name.
Result<std::vector<serving::EndpointSpec>> ListDeployments(store::Metadata& metadata);

/// Fetches and loads the model of a version.
Result<models::Model> LoadVersion(Environment& environment, const tracking::ModelVersion& version);

/// Endpoints from the deployments, versions from the registry, models from the artifact
/// store.
class RegistryResolver final : public serving::Resolver {
 public:
  /// The environment outlives the resolver.
  explicit RegistryResolver(Environment& environment) : environment_(environment) {}

  Result<std::vector<serving::EndpointSpec>> Endpoints() override;
  Result<serving::ModelVersion> Resolve(const std::string& model,
                                        const std::string& alias) override;
  Result<models::Model> Load(const serving::ModelVersion& version) override;

 private:
  Environment& environment_;
};

}  // namespace millrace::app
