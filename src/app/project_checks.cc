// SPDX-License-Identifier: Apache-2.0
// What a project's files say of the data and of the compiled features.
#include "app/project_checks.h"

#include <algorithm>
#include <map>

#include "base/nearest_name.h"

namespace millrace::app {
namespace {

bool Holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Checker {
 public:
  Checker(const Project& project, data::SqlEngine& engine,
          std::span<const features::ViewPlan> plans)
      : project_(project), engine_(engine), plans_(plans) {}

  Result<void> Run() {
    for (const TrainingSpec& training : project_.trainings) {
      MILL_RETURN_IF_ERROR(CheckLabel(training.label));
      CheckFeatures(training);
      MILL_RETURN_IF_ERROR(CheckGroups(training));
    }
    for (const monitoring::MonitorSpec& monitor : project_.monitors) {
      CheckMonitor(monitor);
    }
    return errors_.empty() ? Result<void>() : Result<void>(errors_.ToError());
  }

 private:
  Result<void> CheckLabel(const features::LabelSpec& label) {
    MILL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ColumnsOf(label.source.value));
    for (const auto* column : {&label.key, &label.time}) {
      CheckColumn(*column, "table or source \"" + label.source.value + "\"", names);
    }
    return {};
  }

  /// Columns of a group stand in its table, or among the columns of the training set.
  Result<void> CheckGroups(const TrainingSpec& training) {
    const features::LabelSpec& label = training.label;
    std::vector<std::string> of_set = FeaturesOf(training, /*tell_doubles=*/false);
    of_set.insert(of_set.end(), {label.key.value, label.name});
    for (const auto* list :
         {&training.evaluation.segments, &training.evaluation.fairness.sensitive}) {
      for (const evaluation::GroupColumnSpec& group : *list) {
        if (group.table.value.empty()) {
          CheckColumn(group.column, "the training set", of_set);
          continue;
        }
        MILL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ColumnsOf(group.table.value));
        const std::string what = "table \"" + group.table.value + "\"";
        CheckColumn(group.column, what, names);
        base::Located<std::string> key = group.key;
        if (key.value.empty()) {
          key = {label.key.value, group.column.where};
        }
        CheckColumn(key, what, names);
        if (!group.time.value.empty()) {
          CheckColumn(group.time, what, names);
        }
      }
    }
    return {};
  }

  Result<std::vector<std::string>> ColumnsOf(const std::string& table) {
    MILL_ASSIGN_OR_RETURN(const std::vector<data::ColumnInfo> columns,
                          engine_.Describe("SELECT * FROM \"" + table + "\""));
    std::vector<std::string> names;
    for (const data::ColumnInfo& column : columns) {
      names.push_back(column.name);
    }
    return names;
  }

  void CheckColumn(const base::Located<std::string>& column, const std::string& what,
                   const std::vector<std::string>& names) {
    if (!Holds(names, column.value)) {
      errors_.Add(base::InvalidArgument(what + " has no column \"" + column.value + "\"" +
                                        base::DidYouMean(column.value, names))
                      .At(column.where));
    }
  }

  /// The features of a training, in order; a name that two views give is a mistake.
  std::vector<std::string> FeaturesOf(const TrainingSpec& training, bool tell_doubles) {
    std::map<std::string, std::string> view_of;
    std::vector<std::string> names;
    for (const auto& view : training.views) {
      const auto plan =
          std::find_if(plans_.begin(), plans_.end(),
                       [&](const features::ViewPlan& p) { return p.name == view.value; });
      if (plan == plans_.end()) {
        continue;
      }
      for (const std::string& name : plan->ColumnNames()) {
        const auto [first, is_new] = view_of.try_emplace(name, view.value);
        if (is_new) {
          names.push_back(name);
        } else if (tell_doubles) {
          errors_.Add(base::InvalidArgument("views \"" + first->second + "\" and \"" + view.value +
                                            "\" both have the feature \"" + name + "\"")
                          .At(view.where)
                          .Hint("rename one of them"));
        }
      }
    }
    return names;
  }

  void CheckFeatures(const TrainingSpec& training) {
    const std::vector<std::string> features = FeaturesOf(training, /*tell_doubles=*/true);
    for (const auto& [name, baseline] : training.baselines) {
      for (const auto& feature : baseline.features) {
        if (!Holds(features, feature.value)) {
          errors_.Add(base::InvalidArgument("baseline \"" + name.value + "\": feature \"" +
                                            feature.value + "\" is in no view of the training" +
                                            base::DidYouMean(feature.value, features))
                          .At(feature.where));
        }
      }
    }
  }

  void CheckMonitor(const monitoring::MonitorSpec& monitor) {
    const serving::EndpointSpec* endpoint = project_.FindEndpoint(monitor.endpoint);
    const TrainingSpec* training =
        endpoint == nullptr ? nullptr : project_.FindTraining(endpoint->model);
    if (training == nullptr) {
      return;  // told when the project was loaded
    }
    std::vector<std::string> known = FeaturesOf(*training, /*tell_doubles=*/false);
    known.emplace_back("score");
    for (const std::string& column : monitor.columns) {
      if (!Holds(known, column)) {
        errors_.Add(base::InvalidArgument("monitor \"" + monitor.name + "\": column \"" + column +
                                          "\" is no feature of model \"" + endpoint->model +
                                          "\" and not its score" +
                                          base::DidYouMean(column, known)));
      }
    }
  }

  const Project& project_;
  data::SqlEngine& engine_;
  std::span<const features::ViewPlan> plans_;
  base::ErrorList errors_;
};

}  // namespace

Result<void> CheckAgainstData(const Project& project, data::SqlEngine& engine,
                              std::span<const features::ViewPlan> plans) {
  return Checker(project, engine, plans).Run();
}

}  // namespace millrace::app
