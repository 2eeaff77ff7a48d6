// SPDX-License-Identifier: Apache-2.0
// Numbers as text: shortest round-trip doubles and figures for tables.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::base {

/// The shortest decimal that reads back to the same double ("0.1", "1e+300", "NaN", "Infinity").
std::string FormatDouble(double value);
/// `digits` digits after the point ("0.772").
std::string FormatFixed(double value, int digits);
/// "1,044,847".
std::string FormatCount(std::int64_t value);

}  // namespace millrace::base
