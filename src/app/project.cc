// SPDX-License-Identifier: Apache-2.0
// A project in memory: every file read, checked by itself and against the others, all mistakes told
// at once.
#include "app/project.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "app/internal/project_errors.h"
#include "base/file.h"
#include "base/nearest_name.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

/// The *.yaml files of a folder of the project, relative to it, by name.
std::vector<fs::path> YamlFiles(const fs::path& root, const char* folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root / folder, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".yaml" || extension == ".yml") {
      files.push_back(fs::path(folder) / entry.path().filename());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<base::YamlNode> ReadYaml(const fs::path& root, const fs::path& relative) {
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(root / relative));
  return base::YamlNode::Parse(text, relative.string());
}

class Loader {
 public:
  Loader(const fs::path& root, const learners::LearnerRegistry& learners)
      : root_(root), learners_(learners) {}

  Result<Project> Load() {
    project_.root = root_;
    if (const auto node = Node("millrace.yaml")) {
      project_.file = ProjectFile::Declared().Read(*node, errors_);
    }
    if (const auto node = Node("sources.yaml")) {
      project_.sources = data::SourcesFile::Declared().Read(*node, errors_);
    }
    LoadTables();
    ReadFolder("features", project_.features);
    ReadFolder("quality", project_.suites);
    ReadFolder("training", project_.trainings);
    ReadFolder("endpoints", project_.endpoints);
    ReadFolder("monitors", project_.monitors);
    ReadFolder("pipelines", project_.pipelines);
    // References are worth following only where the files themselves could be read.
    if (errors_.empty()) {
      CheckUniqueNames();
      CheckTables();
      CheckSuites();
      CheckTrainings();
      CheckEndpoints();
      CheckMonitors();
      CheckPipelines();
    }
    if (!errors_.empty()) {
      return errors_.ToError();
    }
    return std::move(project_);
  }

 private:
  std::optional<base::YamlNode> Node(const fs::path& relative) {
    Result<base::YamlNode> node = ReadYaml(root_, relative);
    ++project_.n_files;
    if (!node.ok()) {
      internal::AddAll(node.error(), errors_);
      return std::nullopt;
    }
    return *node;
  }

  template <typename T>
  void ReadFolder(const char* folder, std::vector<T>& into) {
    for (const fs::path& file : YamlFiles(root_, folder)) {
      if (const auto node = Node(file)) {
        into.push_back(T::Declared().Read(*node, errors_));
        nodes_[folder].push_back(*node);
      }
    }
  }
  /// A name of the i-th file of a folder, with its place; for structs that keep names without one.
  base::Located<std::string> NameAt(const char* folder, std::size_t i, const char* field,
                                    const std::string& name) const {
    const base::YamlNode& node = nodes_.at(folder)[i];
    const auto value = node.Find(field);
    return {name, value ? value->where() : node.where()};
  }

  void LoadTables() {
    Result<std::vector<data::SqlTable>> tables = data::ReadSqlTables(root_ / "tables");
    if (tables.ok()) {
      project_.n_files += static_cast<int>(tables->size());
      tables = data::OrderByDependency(std::move(*tables));
    }
    if (!tables.ok()) {
      internal::AddAll(tables.error(), errors_);
      return;
    }
    project_.tables = std::move(*tables);
  }

  /// Adds an error at the place of a name that is none of the known ones.
  void CheckName(const base::Located<std::string>& name, std::string_view what,
                 const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), name.value) == known.end()) {
      errors_.Add(base::InvalidArgument(std::string(what) + " \"" + name.value +
                                        "\" does not exist" + base::DidYouMean(name.value, known))
                      .At(name.where));
    }
  }

  std::vector<std::string> TableAndSourceNames() const {
    std::vector<std::string> names;
    for (const data::SqlTable& table : project_.tables) {
      names.push_back(table.name);
    }
    for (const auto& [name, source] : project_.sources.sources) {
      names.push_back(name.value);
    }
    return names;
  }
  std::vector<std::string> ViewNames() const {
    std::vector<std::string> names;
    for (const features::FeatureFile& file : project_.features) {
      for (const auto& [name, view] : file.views) {
        names.push_back(name.value);
      }
    }
    return names;
  }
  std::vector<std::string> EntityNames() const {
    std::vector<std::string> names;
    for (const features::FeatureFile& file : project_.features) {
      names.push_back(file.entity.value);
    }
    return names;
  }

  /// Adds an error at each name that an earlier one has already taken.
  void CheckUnique(std::string_view what, const std::vector<base::Located<std::string>>& names) {
    std::map<std::string, base::SourceLocation> first;
    for (const auto& name : names) {
      const auto [taken, is_new] = first.try_emplace(name.value, name.where);
      if (!is_new) {
        errors_.Add(base::InvalidArgument(std::string(what) + " \"" + name.value +
                                          "\" is declared twice; first in " + taken->second.file +
                                          ":" + std::to_string(taken->second.line))
                        .At(name.where)
                        .Hint("rename one of them"));
      }
    }
  }
  void CheckUniqueNames() {
    std::vector<base::Located<std::string>> names;
    for (const data::SqlTable& table : project_.tables) {
      names.push_back({table.name, table.where});
    }
    for (const auto& [name, source] : project_.sources.sources) {
      names.push_back(name);
    }
    CheckUnique("table or source", names);
    names.clear();
    for (const features::FeatureFile& file : project_.features) {
      for (const auto& [name, view] : file.views) {
        names.push_back(name);
      }
    }
    CheckUnique("feature view", names);
    names.clear();
    for (const quality::Suite& suite : project_.suites) {
      names.push_back(suite.table);
    }
    CheckUnique("suite of table", names);
    names.clear();
    for (const TrainingSpec& training : project_.trainings) {
      names.push_back(training.name);
    }
    CheckUnique("training", names);
    names.clear();
    for (const PipelineSpec& pipeline : project_.pipelines) {
      names.push_back(pipeline.name);
    }
    CheckUnique("pipeline", names);
    names.clear();
    for (std::size_t i = 0; i < project_.endpoints.size(); ++i) {
      names.push_back(NameAt("endpoints", i, "name", project_.endpoints[i].name));
    }
    CheckUnique("endpoint", names);
    names.clear();
    for (std::size_t i = 0; i < project_.monitors.size(); ++i) {
      names.push_back(NameAt("monitors", i, "name", project_.monitors[i].name));
    }
    CheckUnique("monitor", names);
  }

  void CheckTables() {
    const std::vector<std::string> known = TableAndSourceNames();
    for (const data::SqlTable& table : project_.tables) {
      for (const std::string& name : table.depends) {
        CheckName(base::Located<std::string>{name, table.where}, "table or source", known);
      }
    }
  }

  void CheckSuites() {
    for (const quality::Suite& suite : project_.suites) {
      CheckName(suite.table, "table or source", TableAndSourceNames());
    }
  }

  void CheckTrainings() {
    for (const TrainingSpec& training : project_.trainings) {
      CheckName(training.entity, "entity", EntityNames());
      CheckName(training.label.source, "table or source", TableAndSourceNames());
      for (const auto& view : training.views) {
        CheckName(view, "feature view", ViewNames());
        CheckEntity(view, training.entity.value);
      }
      std::vector<std::string> named;
      for (const auto& [name, params] : training.learners) {
        named.push_back(name.value);
        CheckLearner(name, params);
      }
      for (const auto& [name, baseline] : training.baselines) {
        CheckName(baseline.learner, "learner of this training", named);
      }
      CheckGroupTables(training.evaluation);
    }
  }

  /// Groups are read from tables that the pipeline computes.
  void CheckGroupTables(const evaluation::EvaluationSpec& spec) {
    std::vector<std::string> tables;
    for (const data::SqlTable& table : project_.tables) {
      tables.push_back(table.name);
    }
    for (const auto* list : {&spec.segments, &spec.fairness.sensitive}) {
      for (const evaluation::GroupColumnSpec& column : *list) {
        if (!column.table.value.empty()) {
          CheckName(column.table, "table", tables);
        }
      }
    }
  }

  /// A view of another entity has no value for the rows of this training.
  void CheckEntity(const base::Located<std::string>& view, const std::string& entity) {
    for (const features::FeatureFile& file : project_.features) {
      for (const auto& [name, spec] : file.views) {
        if (name.value == view.value && file.entity.value != entity) {
          errors_.Add(base::InvalidArgument("feature view \"" + view.value + "\" describes \"" +
                                            file.entity.value + "\"; wanted: a view of \"" +
                                            entity + "\"")
                          .At(view.where));
        }
      }
    }
  }

  void CheckLearner(const base::Located<std::string>& name, const base::YamlNode& node) {
    const auto learner = learners_.Find(name.value);
    if (!learner.ok()) {
      errors_.Add(Error(learner.error()).At(name.where));
      return;
    }
    const auto params = ReadLearnerParams(node);
    if (!params.ok()) {
      internal::AddAll(params.error(), errors_);
      return;
    }
    const auto checked = learners::CheckParams((*learner)->info(), *params);
    if (!checked.ok()) {
      errors_.Add(Error(checked.error()).At(node.where()).With("parameters of " + name.value));
    }
  }

  void CheckEndpoints() {
    std::vector<std::string> models;
    for (const TrainingSpec& training : project_.trainings) {
      models.push_back(training.name.value);
    }
    for (std::size_t i = 0; i < project_.endpoints.size(); ++i) {
      const serving::EndpointSpec& endpoint = project_.endpoints[i];
      const auto checked = serving::CheckEndpointSpec(endpoint);
      if (!checked.ok()) {
        errors_.Add(Error(checked.error()).At(nodes_.at("endpoints")[i].where()));
      }
      if (!endpoint.entity.empty()) {
        CheckName(NameAt("endpoints", i, "entity", endpoint.entity), "entity", EntityNames());
      }
      CheckName(NameAt("endpoints", i, "model", endpoint.model),
                "model of endpoint " + endpoint.name, models);
      for (const std::string& view : endpoint.views) {
        CheckName(NameAt("endpoints", i, "views", view),
                  "feature view of endpoint " + endpoint.name, ViewNames());
      }
    }
  }

  void CheckMonitors() {
    for (std::size_t i = 0; i < project_.monitors.size(); ++i) {
      const monitoring::MonitorSpec& monitor = project_.monitors[i];
      CheckName(NameAt("monitors", i, "endpoint", monitor.endpoint),
                "endpoint of monitor " + monitor.name, EndpointNames());
    }
  }

  std::vector<std::string> EndpointNames() const {
    std::vector<std::string> names;
    for (const serving::EndpointSpec& endpoint : project_.endpoints) {
      names.push_back(endpoint.name);
    }
    return names;
  }

  void CheckPipelines() {
    std::vector<std::string> trainings;
    for (const TrainingSpec& training : project_.trainings) {
      trainings.push_back(training.name.value);
    }
    std::vector<std::string> monitors;
    for (const monitoring::MonitorSpec& monitor : project_.monitors) {
      monitors.push_back(monitor.name);
    }
    for (const PipelineSpec& pipeline : project_.pipelines) {
      CheckName(pipeline.training, "training", trainings);
      CheckName(pipeline.endpoint, "endpoint", EndpointNames());
      CheckName(pipeline.monitor, "monitor", monitors);
      for (const auto& view : pipeline.publish) {
        CheckName(view, "feature view", ViewNames());
      }
      CheckStages(pipeline);
    }
  }

  void CheckStages(const PipelineSpec& pipeline) {
    const std::vector<std::string>& known = StageNames();
    for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
      const auto& stage = pipeline.stages[i];
      CheckName(stage, "stage", known);
      if (std::find(known.begin(), known.end(), stage.value) != known.end() &&
          stage.value != known[i]) {
        errors_.Add(base::InvalidArgument("stage " + std::to_string(i + 1) + " is \"" +
                                          stage.value + "\"; wanted: \"" + known[i] + "\"")
                        .At(stage.where)
                        .Hint("stages stand in the order ingest, validate, ..., and each needs "
                              "those before it"));
        return;
      }
    }
  }

  fs::path root_;
  const learners::LearnerRegistry& learners_;
  Project project_;
  base::ErrorList errors_;
  /// The documents of each folder, in the order of its files.
  std::map<std::string, std::vector<base::YamlNode>> nodes_;
};

template <typename T>
const T* FindByName(const std::vector<T>& list, std::string_view name,
                    const std::string& (*name_of)(const T&)) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const T& item) { return name_of(item) == name; });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

const TrainingSpec* Project::FindTraining(std::string_view name) const {
  return FindByName<TrainingSpec>(
      trainings, name, [](const TrainingSpec& t) -> const std::string& { return t.name.value; });
}

const serving::EndpointSpec* Project::FindEndpoint(std::string_view name) const {
  return FindByName<serving::EndpointSpec>(
      endpoints, name, [](const serving::EndpointSpec& e) -> const std::string& { return e.name; });
}

const monitoring::MonitorSpec* Project::FindMonitor(std::string_view name) const {
  return FindByName<monitoring::MonitorSpec>(
      monitors, name,
      [](const monitoring::MonitorSpec& m) -> const std::string& { return m.name; });
}

const data::SourceSpec* Project::FindSource(std::string_view name) const {
  for (const auto& [source_name, source] : sources.sources) {
    if (source_name.value == name) {
      return &source;
    }
  }
  return nullptr;
}

Result<std::optional<std::filesystem::path>> FindProject(const fs::path& named) {
  const fs::path root = named.empty() ? fs::path(".") : named;
  std::error_code error;
  if (fs::exists(root / "millrace.yaml", error)) {
    return std::optional<fs::path>(fs::weakly_canonical(root, error));
  }
  if (named.empty()) {
    return std::optional<fs::path>();
  }
  return base::NotFound("folder \"" + named.string() + "\" has no millrace.yaml")
      .Hint("name the folder of a project, or make one with: millrace init " + named.string());
}

Result<ProjectFile> ReadProjectFile(const fs::path& root) {
  MILL_ASSIGN_OR_RETURN(const base::YamlNode node, ReadYaml(root, "millrace.yaml"));
  base::ErrorList errors;
  ProjectFile file = ProjectFile::Declared().Read(node, errors);
  if (!errors.empty()) {
    return errors.ToError();
  }
  return file;
}

Result<Project> LoadProject(const fs::path& root, const learners::LearnerRegistry& learners) {
  return Loader(root, learners).Load();
}

Result<learners::Params> ReadLearnerParams(const base::YamlNode& node) {
  learners::Params params;
  if (node.IsNull()) {
    return params;
  }
  if (node.kind() != base::YamlNode::Kind::kMap) {
    return node.ErrorHere("learner parameters are no map; wanted: {name: value, ...}");
  }
  for (const auto& [key, value] : node.entries()) {
    if (value.kind() != base::YamlNode::Kind::kScalar) {
      return value.ErrorHere("parameter \"" + key.text() + "\" is no number or text");
    }
    const std::string& text = value.text();
    double number = 0;
    const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (!value.is_quoted() && status == std::errc() && stop == text.data() + text.size()) {
      params[key.text()] = number;
    } else {
      params[key.text()] = text;
    }
  }
  return params;
}

}  // namespace millrace::app
