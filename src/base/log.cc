// SPDX-License-Identifier: Apache-2.0
// Log lines to standard error, one write(2) each, so that lines of several threads never mix.
#include "base/log.h"

#include <array>
#include <cstdio>
#include <unistd.h>

#include "base/clock.h"
#include "base/internal/log_lines.h"
#include "base/mutex.h"
#include "base/number_format.h"

namespace millrace::base {
namespace {

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarn:
      return "WARN";
    case LogLevel::kError:
      return "ERROR";
  }
  return "ERROR";
}

// All six digits of the fraction, so that lines stay aligned.
std::string LogTime(Timestamp time) {
  std::string text = FormatTimestamp(
      {time.micros - ((time.micros % kMicrosPerSecond) + kMicrosPerSecond) % kMicrosPerSecond});
  text.pop_back();
  std::array<char, 16> fraction{};
  const auto micros =
      static_cast<int>(((time.micros % kMicrosPerSecond) + kMicrosPerSecond) % kMicrosPerSecond);
  std::snprintf(fraction.data(), fraction.size(), ".%06dZ", micros);
  return text + fraction.data();
}

// A JSON string; control characters can therefore not forge a second line.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned char>(c));
      out += escape.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool IsPlain(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '"' || c == '=' || c == '\\') {
      return false;
    }
  }
  return !text.empty();
}

using LineMaker = std::string (*)(Timestamp, LogLevel, std::string_view, std::string_view,
                                  std::initializer_list<LogField>);

class StderrLogger final : public Logger {
 public:
  StderrLogger(LogLevel level, LineMaker make_line) : level_(level), make_line_(make_line) {}

  void Log(LogLevel level, std::string_view module, std::string_view event,
           std::initializer_list<LogField> fields) override {
    if (level < level_) {
      return;
    }
    const std::string line = make_line_(SystemClock().Now(), level, module, event, fields) + "\n";
    const MutexLock lock(mutex_);
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t written = write(STDERR_FILENO, rest.data(), rest.size());
      if (written <= 0) {
        return;  // Nobody reads standard error; there is no better place to complain.
      }
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }

 private:
  const LogLevel level_;
  const LineMaker make_line_;
  Mutex mutex_;
};

class NullLogger final : public Logger {
 public:
  void Log(LogLevel, std::string_view, std::string_view, std::initializer_list<LogField>) override {
  }
};

}  // namespace

namespace internal {

std::string TextLine(Timestamp time, LogLevel level, std::string_view module,
                     std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = LogTime(time) + " " + std::string(LevelName(level)) + " " +
                     std::string(module) + " " + std::string(event);
  for (const LogField& field : fields) {
    line += " " + field.key + "=" + (IsPlain(field.value) ? field.value : Quoted(field.value));
  }
  return line;
}

std::string JsonLine(Timestamp time, LogLevel level, std::string_view module,
                     std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "{\"time\":\"" + LogTime(time) + "\",\"level\":\"" +
                     std::string(LevelName(level)) + "\",\"module\":" + Quoted(module) +
                     ",\"event\":" + Quoted(event);
  for (const LogField& field : fields) {
    line += "," + Quoted(field.key) + ":" + Quoted(field.value);
  }
  return line + "}";
}

}  // namespace internal

LogField::LogField(std::string_view name, double number) : key(name), value(FormatDouble(number)) {
}
LogField::LogField(std::string_view name, std::int64_t number)
    : key(name), value(std::to_string(number)) {
}
LogField::LogField(std::string_view name, std::uint64_t number)
    : key(name), value(std::to_string(number)) {
}

std::unique_ptr<Logger> MakeStderrLogger(LogLevel level) {
  return std::make_unique<StderrLogger>(level, internal::TextLine);
}
std::unique_ptr<Logger> MakeJsonStderrLogger(LogLevel level) {
  return std::make_unique<StderrLogger>(level, internal::JsonLine);
}
std::unique_ptr<Logger> MakeNullLogger() {
  return std::make_unique<NullLogger>();
}

}  // namespace millrace::base
