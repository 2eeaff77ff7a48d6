// SPDX-License-Identifier: Apache-2.0
// URIs of object stores as MLflow's users write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::store {

/// The URI that data::Location reads for a folder or object at s3://, abfs[s]:// or wasb[s]://;
/// nothing for another place. MLFLOW_S3_ENDPOINT_URL, by which MLflow's users name an S3 that is
/// not Amazon's, becomes part of it.
std::optional<std::string> ObjectStoreUri(std::string_view uri);

}  // namespace millrace::store
