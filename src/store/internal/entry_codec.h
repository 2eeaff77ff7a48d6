// SPDX-License-Identifier: Apache-2.0
// The bytes of a stored entry: docs/formats/key_value.md.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/key_value.h"

namespace millrace::store::internal {

/// First byte of every entry. Reaches disk.
inline constexpr char kEntryFormat = 1;

std::string EncodeEntry(const Version& version, std::string_view value);
/// kDataLoss for bytes that are no entry.
Result<Entry> DecodeEntry(std::string_view bytes);
/// The version alone, without copying the value.
Result<Version> DecodeVersion(std::string_view bytes);

/// The first key after all keys with this prefix; empty if there is none (only bytes 255).
std::string PrefixEnd(std::string_view prefix);

/// Empty keys are refused everywhere in the same words.
Result<void> CheckKeys(std::span<const Put> puts);

}  // namespace millrace::store::internal
