// SPDX-License-Identifier: Apache-2.0
// Which texts are paths of artifacts: relative, inside the store, readable by everybody.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::store {

/// Checks the path of an artifact and gives it its one form: parts joined by single slashes, no "."
/// parts, no slash at the end; "" is the root.
///
/// The text is what a client means after HTTP's own percent-decoding. It is stored as it is, but
/// what further decoding would make of it (up to a fixpoint) must be harmless too, because programs
/// that handle it later may decode again.
///   - kInvalidArgument "Invalid path", in MLflow's words, for `..`, absolute paths, drive letters,
///   file: URIs, backslashes, `#`, control characters (also those of Unicode), bytes that are no
///   UTF-8, characters that turn the direction of text, parts of more than 255 bytes, paths of more
///   than 2,000, and names that this program keeps for itself.
Result<std::string> CheckArtifactPath(std::string_view text);

}  // namespace millrace::store
