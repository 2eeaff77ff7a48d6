// SPDX-License-Identifier: Apache-2.0
// Fuzzes the search grammar: whatever a filter or an order says, every byte is in one token, an
// error has a text, and an accepted clause can be asked.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tracking/internal/search_tokens.h"
#include "tracking/search.h"

using millrace::tracking::Clause;
using millrace::tracking::ClauseTest;
using millrace::tracking::Comparator;
using millrace::tracking::FieldValue;
using millrace::tracking::SearchTarget;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer gives the name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t n_bytes = 0;
  for (const auto& token : millrace::tracking::internal::Tokenize(text)) {
    if (token.text.empty() || token.text.data() != text.data() + n_bytes) {
      std::abort();
    }
    n_bytes += token.text.size();
  }
  if (n_bytes != size) {
    std::abort();
  }
  for (const SearchTarget target :
       {SearchTarget::kExperiments, SearchTarget::kRuns, SearchTarget::kRegisteredModels,
        SearchTarget::kModelVersions, SearchTarget::kLoggedModels, SearchTarget::kTraces}) {
    const auto clauses = millrace::tracking::ParseFilter(text, target);
    if (!clauses.ok() && clauses.error().message().empty()) {
      std::abort();
    }
    if (clauses.ok()) {
      for (const Clause& clause : clauses.value()) {
        const ClauseTest test(clause);
        // A missing value matches IS NULL and nothing else.
        if (test(FieldValue()) != (clause.comparator == Comparator::kIsNull)) {
          std::abort();
        }
        test(text);
        test(0.5);
      }
    }
    const auto terms = millrace::tracking::ParseOrderBy({std::string(text)}, target);
    if (!terms.ok() && terms.error().message().empty()) {
      std::abort();
    }
  }
  millrace::tracking::Like(text.substr(0, size / 2), text.substr(size / 2), true);
  const auto offset = millrace::tracking::ParsePageToken(text);
  if (offset.ok() && !text.empty() &&
      millrace::tracking::ParsePageToken(millrace::tracking::PageToken(offset.value())).value() !=
          offset.value()) {
    std::abort();
  }
  return 0;
}
