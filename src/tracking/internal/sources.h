// SPDX-License-Identifier: Apache-2.0
// Where a client may say that the files of a new version lie.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::tracking::internal {

/// The parts of a URI that matter here; `path` is as written, without query and fragment.
struct Uri {
  std::string scheme;
  std::string authority;
  std::string path;
};
Uri ParseUri(std::string_view text);
/// Percent-signs decoded once.
std::string Unquote(std::string_view text);

/// What models:/ URIs name: a logged model, or a model with a version, a stage or an alias (none of
/// them: the newest version).
struct ModelUri {
  std::string model_id = {};
  std::string name = {};
  std::string version = {};
  std::string stage = {};
  std::string alias = {};
};
/// Empty where the text is no well-formed models:/ URI of this server.
std::optional<ModelUri> ParseModelUri(std::string_view text);

/// "/foo", "foo" and "file:/foo". kInvalidArgument for a file URI that names another machine.
Result<bool> IsLocalUri(const std::string& text);
/// Whether a local URI lies inside another one (symbolic links followed); false where `folder` is
/// not local.
Result<bool> IsInside(const std::string& source, const std::string& folder);
/// Whether a URI leads through MLflow's artifact proxy: mlflow-artifacts:, or its route by http.
bool IsProxiedUri(const std::string& text);
/// Whether a remote URI names a place below another one: the same scheme and host, and all parts of
/// the root's path, percent-signs decoded to the end.
bool IsBelowUri(const std::string& source, const std::string& root);
/// kInvalidArgument for a remote URI whose path is not absolute and normal after all percent-signs
/// are decoded.
Result<void> CheckRemoteSource(const std::string& source);

}  // namespace millrace::tracking::internal
