// SPDX-License-Identifier: Apache-2.0
// Declarations of the feature files: names, defaults and sentences of every key.
#include "features/spec.h"

namespace millrace::features {

const base::Declaration<ViewSpec>& ViewSpec::Declared() {
  static const auto* const declaration =
      new base::Declaration<ViewSpec>(  // Lives as long as the program.
          base::Declaration<ViewSpec>("feature_view",
                                      "Features of one entity from one source of events.")
              .Field("description", &ViewSpec::description, "What the view is for.")
              .Field("source", &ViewSpec::source, "The table or source that holds the events.",
                     {.required = true})
              .Field("time", &ViewSpec::time, "The timestamp column of event times.",
                     {.required = true})
              .Field("ttl", &ViewSpec::ttl,
                     "How long the newest event of a key keeps its features alive; afterwards "
                     "every feature is null, counts too. "
                     "Absent: for ever.")
              .Field("created", &ViewSpec::created,
                     "The timestamp column that says when a row became known, for late and "
                     "corrected rows.")
              .Field("history", &ViewSpec::history,
                     "With created: as_known_then sees only rows created at or before the as-of "
                     "time, as_corrected sees all.",
                     {.one_of = {"as_known_then", "as_corrected"}})
              .Field("as_of", &ViewSpec::as_of,
                     "Upper end of the rows that latest(x) looks up: <= includes the as-of time, < "
                     "does not.",
                     {.one_of = {"<=", "<"}})
              .Field("include_now", &ViewSpec::include_now,
                     "Aggregates see (as-of - window, as-of] instead of [as-of - window, as-of).")
              .Field("features", &ViewSpec::features,
                     "Name and text of each feature: an aggregate, optionally where a condition "
                     "holds, optionally over a window.")
              .Field("derived", &ViewSpec::derived,
                     "Name and text of each expression over the features of this view."));
  return *declaration;
}

const base::Declaration<FeatureFile>& FeatureFile::Declared() {
  static const auto* const declaration =
      new base::Declaration<FeatureFile>(  // Lives as long as the program.
          base::Declaration<FeatureFile>("features", "An entity and its feature views.")
              .Field("entity", &FeatureFile::entity,
                     "What the features describe, for example customer.", {.required = true})
              .Field("key", &FeatureFile::key,
                     "The integer or string column that identifies the entity.", {.required = true})
              .Field("views", &FeatureFile::views, "The feature views by name.",
                     {.required = true}));
  return *declaration;
}

}  // namespace millrace::features
