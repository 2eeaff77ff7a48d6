// SPDX-License-Identifier: Apache-2.0
// From MLflow's forms to Arrow's.
#include "store/object_uri.h"

#include <cstdlib>

namespace millrace::store {

namespace {

// MLflow's URIs of Azure Blob Storage, in the words of its newer interface, which Arrow reads:
// wasbs://container@account.blob.core.windows.net/path.
std::string FromWasb(std::string_view uri) {
  std::string text(uri);
  const bool is_tls = text.starts_with("wasbs://");
  text = (is_tls ? "abfss://" : "abfs://") + text.substr(is_tls ? 8 : 7);
  const std::size_t host = text.find(".blob.core.windows.net");
  if (host != std::string::npos) {
    text.replace(host, 5, ".dfs");
  }
  return text;
}

// The variable by which MLflow's users name an S3 that is not Amazon's.
std::string WithEndpoint(std::string uri) {
  const char* const endpoint = std::getenv("MLFLOW_S3_ENDPOINT_URL");
  if (endpoint == nullptr || uri.find("endpoint_override=") != std::string::npos) {
    return uri;
  }
  std::string_view rest = endpoint;
  const std::size_t scheme = rest.find("://");
  uri += uri.find('?') == std::string::npos ? "?" : "&";
  if (scheme != std::string_view::npos) {
    uri += "scheme=" + std::string(rest.substr(0, scheme)) + "&";
    rest.remove_prefix(scheme + 3);
  }
  while (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  uri += "endpoint_override=" + std::string(rest);
  return uri.find("region=") == std::string::npos ? uri + "&region=us-east-1" : uri;
}

}  // namespace

std::optional<std::string> ObjectStoreUri(std::string_view uri) {
  if (uri.starts_with("s3://")) {
    return WithEndpoint(std::string(uri));
  }
  if (uri.starts_with("wasb://") || uri.starts_with("wasbs://")) {
    return FromWasb(uri);
  }
  if (uri.starts_with("abfs://") || uri.starts_with("abfss://")) {
    return std::string(uri);
  }
  return std::nullopt;
}

}  // namespace millrace::store
