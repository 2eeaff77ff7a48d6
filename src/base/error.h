// SPDX-License-Identifier: Apache-2.0
// The one error type of Millrace: a canonical code, a message for people, a hint for the next step,
// and where it happened.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::base {

/// Canonical error codes; `error_map.h` turns them into HTTP statuses, MLflow codes and exit codes.
enum class ErrorCode {
  kInvalidArgument = 1,
  kNotFound = 2,
  kAlreadyExists = 3,
  kFailedPrecondition = 4,
  kUnauthenticated = 5,
  kPermissionDenied = 6,
  kResourceExhausted = 7,
  kUnavailable = 8,
  kDeadlineExceeded = 9,
  kUnimplemented = 10,
  kCancelled = 11,
  kDataLoss = 12,
  kInternal = 13,
};

/// The name of a code as printed in logs and JSON, for example "INVALID_ARGUMENT".
std::string_view ErrorCodeName(ErrorCode code);

/// A place in a text file; line and column count from 1, 0 means unknown.
struct SourceLocation {
  std::string file;
  int line = 0;
  int column = 0;
};

/// What went wrong. Build it in one line, extend it on the way up with `With`, map it once at the
/// edge.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  /// Names the thing, the value seen and the value wanted; safe to show to a caller.
  const std::string& message() const { return message_; }
  /// The next step for the person who reads it; empty if there is none.
  const std::string& hint() const { return hint_; }
  const SourceLocation& where() const { return where_; }
  /// What was being done, innermost first.
  const std::vector<std::string>& context() const { return context_; }
  /// Further errors of the same kind (all mistakes of a file at once).
  const std::vector<Error>& others() const { return others_; }

  /// Adds what was being done when the error passed by: `.With("loading run r1")`.
  Error With(std::string doing) && {
    context_.push_back(std::move(doing));
    return std::move(*this);
  }
  Error Hint(std::string hint) && {
    hint_ = std::move(hint);
    return std::move(*this);
  }
  Error At(SourceLocation where) && {
    where_ = std::move(where);
    return std::move(*this);
  }
  Error And(Error other) && {
    others_.push_back(std::move(other));
    return std::move(*this);
  }

  /// One line for logs and tests: "file:3:7: context: message; hint". `others` follow on lines of
  /// their own.
  std::string ToString() const;

 private:
  ErrorCode code_;
  std::string message_;
  std::string hint_;
  SourceLocation where_;
  std::vector<std::string> context_;
  std::vector<Error> others_;
};

Error InvalidArgument(std::string message);
Error NotFound(std::string message);
Error AlreadyExists(std::string message);
Error FailedPrecondition(std::string message);
Error Unavailable(std::string message);
Error ResourceExhausted(std::string message);
Error DeadlineExceeded(std::string message);
Error Unimplemented(std::string message);
Error Cancelled(std::string message);
Error DataLoss(std::string message);
Error Internal(std::string message);
/// Turns `errno` into an error that names the path and the system's reason; ENOSPC and EDQUOT
/// become kResourceExhausted, ENOENT kNotFound, EACCES, EPERM and EROFS kPermissionDenied, the rest
/// kUnavailable.
Error FromErrno(int error_number, std::string_view doing, std::string_view path);

}  // namespace millrace::base
