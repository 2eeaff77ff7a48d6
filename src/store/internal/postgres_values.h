// SPDX-License-Identifier: Apache-2.0
// Values to PostgreSQL's texts and back.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <postgresql/libpq-fe.h>

#include "base/result.h"
#include "store/metadata.h"

namespace millrace::store::internal {

/// The parameters as texts; they live as long as this and the parameters do.
struct Texts {
  std::vector<std::string> numbers;
  std::vector<const char*> values;
};

/// kInvalidArgument for a text with a NUL character.
Result<Texts> ToTexts(std::span<const Value> params);
/// Numbers say their type, so that `SELECT ?` is one; texts (0) take the type that is wanted there.
std::vector<Oid> TypesOf(std::span<const Value> params);
/// 'i', 'd', 't', 'n': what the kind of a parameter adds to the key of a statement.
std::string KindsOf(std::span<const Value> params);
/// A value of an answer; texts live as long as the answer.
ValueView Column(const PGresult* result, int row, int column);

}  // namespace millrace::store::internal
