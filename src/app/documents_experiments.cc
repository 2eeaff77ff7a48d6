// SPDX-License-Identifier: Apache-2.0
// The answers of `experiments`.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/documents_runs.h"
#include "app/internal/tracking_text.h"
#include "base/json.h"
#include "base/nearest_name.h"

namespace millrace::app {

using Json = nlohmann::json;

namespace internal {

Result<tracking::Experiment> FindExperiment(tracking::TrackingStore& store,
                                            const std::string& name_or_id) {
  Result<tracking::Experiment> by_name = store.GetExperimentByName(name_or_id);
  if (by_name.ok() || by_name.error().code() != base::ErrorCode::kNotFound) {
    return by_name;
  }
  const bool is_number =
      !name_or_id.empty() && name_or_id.find_first_not_of("0123456789") == std::string::npos;
  if (is_number) {
    return store.GetExperiment(name_or_id);
  }
  MILL_ASSIGN_OR_RETURN(const tracking::Page<tracking::Experiment> all,
                        store.SearchExperiments({}));
  std::vector<std::string> names;
  for (const tracking::Experiment& experiment : all.items) {
    names.push_back(experiment.name);
  }
  return base::NotFound("there is no experiment \"" + name_or_id + "\"" +
                        base::DidYouMean(name_or_id, names))
      .Hint("millrace experiments list shows all");
}

Result<std::vector<std::string>> AllExperiments(tracking::TrackingStore& store) {
  std::vector<std::string> ids;
  tracking::ExperimentSearch search;
  search.view = tracking::ViewType::kAll;
  do {
    MILL_ASSIGN_OR_RETURN(const tracking::Page<tracking::Experiment> page,
                          store.SearchExperiments(search));
    for (const tracking::Experiment& experiment : page.items) {
      ids.push_back(experiment.id);
    }
    search.page_token = page.next_page_token;
  } while (!search.page_token.empty());
  return ids;
}

Result<tracking::Tags> ParseTags(const cli::TagChanges& changes) {
  if (changes.set.empty() && changes.remove.empty()) {
    return base::InvalidArgument("no tag to change").Hint("use --set key=value or --remove key");
  }
  tracking::Tags tags;
  for (const std::string& text : changes.set) {
    const std::size_t mark = text.find('=');
    if (mark == 0 || mark == std::string::npos) {
      return base::InvalidArgument("--set \"" + text + "\" is no tag; wanted key=value");
    }
    tags[text.substr(0, mark)] = text.substr(mark + 1);
  }
  return tags;
}

}  // namespace internal

namespace {

using internal::FindExperiment;
using internal::TimeText;

Json ExperimentJson(const tracking::Experiment& experiment) {
  return {{"experiment_id", experiment.id},
          {"name", experiment.name},
          {"artifact_location", experiment.artifact_location},
          {"lifecycle_stage", std::string(tracking::LifecycleName(experiment.lifecycle))},
          {"creation_time", experiment.creation_time_ms},
          {"last_update_time", experiment.last_update_time_ms},
          {"tags", experiment.tags}};
}

cli::Document OneLine(const tracking::Experiment& experiment, const std::string& what) {
  cli::Document document;
  document.lines = {what + " experiment " + experiment.id + " \"" + experiment.name + "\""};
  document.json = base::DumpJson(ExperimentJson(experiment));
  return document;
}

}  // namespace

Result<cli::Document> ExperimentsList(Environment& environment, bool is_deleted) {
  tracking::ExperimentSearch search;
  search.view = is_deleted ? tracking::ViewType::kDeletedOnly : tracking::ViewType::kActiveOnly;
  search.order_by = {"experiment_id ASC"};
  cli::TextTable table{"", {"id", "name", "created", "last update", "artifacts"}, {}};
  Json json = Json::array();
  do {
    MILL_ASSIGN_OR_RETURN(const tracking::Page<tracking::Experiment> page,
                          environment.tracking().SearchExperiments(search));
    for (const tracking::Experiment& experiment : page.items) {
      table.rows.push_back({experiment.id, experiment.name, TimeText(experiment.creation_time_ms),
                            TimeText(experiment.last_update_time_ms),
                            experiment.artifact_location});
      json.push_back(ExperimentJson(experiment));
    }
    search.page_token = page.next_page_token;
  } while (!search.page_token.empty());
  cli::Document document;
  if (table.rows.empty()) {
    document.lines = {is_deleted ? "no deleted experiments" : "no experiments"};
  } else {
    document.tables = {std::move(table)};
  }
  document.json = base::DumpJson(json);
  return document;
}

Result<cli::Document> ExperimentsShow(Environment& environment, const std::string& experiment) {
  MILL_ASSIGN_OR_RETURN(const tracking::Experiment found,
                        FindExperiment(environment.tracking(), experiment));
  cli::RunsListOptions newest;
  newest.experiment = found.name;
  newest.limit = 10;
  MILL_ASSIGN_OR_RETURN(cli::Document document, RunsList(environment, newest));
  cli::TextTable facts{"Experiment " + found.name, {"field", "value"}, {}};
  facts.rows = {{"id", found.id},
                {"lifecycle stage", std::string(tracking::LifecycleName(found.lifecycle))},
                {"created", TimeText(found.creation_time_ms)},
                {"last update", TimeText(found.last_update_time_ms)},
                {"artifacts", found.artifact_location}};
  for (const auto& [key, value] : found.tags) {
    facts.rows.push_back({"tag " + key, value});
  }
  document.tables.insert(document.tables.begin(), std::move(facts));
  document.json = base::DumpJson(ExperimentJson(found));
  return document;
}

Result<cli::Document> ExperimentsCreate(Environment& environment, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const tracking::Experiment made,
                        environment.tracking().CreateExperiment(name));
  return OneLine(made, "made");
}

Result<cli::Document> ExperimentsRename(Environment& environment, const std::string& experiment,
                                        const std::string& new_name) {
  MILL_ASSIGN_OR_RETURN(tracking::Experiment found,
                        FindExperiment(environment.tracking(), experiment));
  MILL_RETURN_IF_ERROR(environment.tracking().RenameExperiment(found.id, new_name));
  found.name = new_name;
  return OneLine(found, "renamed");
}

Result<cli::Document> ExperimentsTag(Environment& environment, const std::string& experiment,
                                     const cli::TagChanges& changes) {
  MILL_ASSIGN_OR_RETURN(const tracking::Tags tags, internal::ParseTags(changes));
  MILL_ASSIGN_OR_RETURN(const tracking::Experiment found,
                        FindExperiment(environment.tracking(), experiment));
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(environment.tracking().SetExperimentTag(found.id, key, value));
  }
  for (const std::string& key : changes.remove) {
    MILL_RETURN_IF_ERROR(environment.tracking().DeleteExperimentTag(found.id, key));
  }
  MILL_ASSIGN_OR_RETURN(const tracking::Experiment changed,
                        environment.tracking().GetExperiment(found.id));
  cli::Document document = OneLine(changed, "tagged");
  cli::TextTable table{"Tags", {"name", "value"}, {}};
  for (const auto& [key, value] : changed.tags) {
    table.rows.push_back({key, value});
  }
  document.tables = {std::move(table)};
  return document;
}

Result<cli::Document> ExperimentsDelete(Environment& environment, const std::string& experiment,
                                        bool is_restore) {
  MILL_ASSIGN_OR_RETURN(const tracking::Experiment found,
                        FindExperiment(environment.tracking(), experiment));
  MILL_RETURN_IF_ERROR(is_restore ? environment.tracking().RestoreExperiment(found.id)
                                  : environment.tracking().DeleteExperiment(found.id));
  MILL_ASSIGN_OR_RETURN(const tracking::Experiment changed,
                        environment.tracking().GetExperiment(found.id));
  return OneLine(changed, is_restore ? "restored" : "deleted");
}

}  // namespace millrace::app
