// SPDX-License-Identifier: Apache-2.0
// Structured log: level, module, stable event name, key=value pairs. No sentences, no secrets, no
// row values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// One key=value pair of a log line; numbers are printed shortest-round-trip.
struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, const char* text) : key(name), value(text) {}
  LogField(std::string_view name, const std::string& text) : key(name), value(text) {}
  LogField(std::string_view name, double number);
  LogField(std::string_view name, std::int64_t number);
  LogField(std::string_view name, std::uint64_t number);
  LogField(std::string_view name, int number) : LogField(name, static_cast<std::int64_t>(number)) {}
  LogField(std::string_view name, bool is_true) : key(name), value(is_true ? "true" : "false") {}
  std::string key;
  std::string value;
};

/// Thread-safe sink of log lines. Libraries log through the context they were given.
class Logger {
 public:
  virtual ~Logger() = default;
  Logger() = default;
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  virtual void Log(LogLevel level, std::string_view module, std::string_view event,
                   std::initializer_list<LogField> fields) = 0;

  void Debug(std::string_view module, std::string_view event,
             std::initializer_list<LogField> fields = {}) {
    Log(LogLevel::kDebug, module, event, fields);
  }
  void Info(std::string_view module, std::string_view event,
            std::initializer_list<LogField> fields = {}) {
    Log(LogLevel::kInfo, module, event, fields);
  }
  void Warn(std::string_view module, std::string_view event,
            std::initializer_list<LogField> fields = {}) {
    Log(LogLevel::kWarn, module, event, fields);
  }
  void Error(std::string_view module, std::string_view event,
             std::initializer_list<LogField> fields = {}) {
    Log(LogLevel::kError, module, event, fields);
  }
};

/// A logger that writes lines "2026-01-02T03:04:05.678901Z INFO module event key=value" at or above
/// `level` to standard error.
std::unique_ptr<Logger> MakeStderrLogger(LogLevel level);
/// The same as JSON objects, one a line.
std::unique_ptr<Logger> MakeJsonStderrLogger(LogLevel level);
/// A logger that drops everything (tests, quiet mode).
std::unique_ptr<Logger> MakeNullLogger();

}  // namespace millrace::base
