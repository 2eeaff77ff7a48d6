// SPDX-License-Identifier: Apache-2.0
// How a log line looks, apart from where it goes.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"

namespace millrace::base::internal {

/// "2026-01-02T03:04:05.678901Z INFO module event key=value"; values with blanks, quotes or control
/// characters are quoted.
std::string TextLine(Timestamp time, LogLevel level, std::string_view module,
                     std::string_view event, std::initializer_list<LogField> fields);
/// The same as one JSON object.
std::string JsonLine(Timestamp time, LogLevel level, std::string_view module,
                     std::string_view event, std::initializer_list<LogField> fields);

}  // namespace millrace::base::internal
