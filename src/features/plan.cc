// SPDX-License-Identifier: Apache-2.0
// The compiler from feature files to plans: names, types, order of derived features, hash.
#include "features/plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/config.h"
#include "base/nearest_name.h"
#include "features/internal/column_scope.h"

namespace millrace::features {
namespace {

using base::ErrorList;
using base::InvalidArgument;
using data::ColumnInfo;
using data::ColumnType;
using internal::ValueType;

struct FunctionRow {
  std::string_view name;
  AggregateFunction function;
  bool takes_number;
  bool takes_timestamp;
  bool takes_text;
};
constexpr FunctionRow kFunctionRows[] = {
    {"count", AggregateFunction::kCount, true, true, true},
    {"sum", AggregateFunction::kSum, true, false, false},
    {"avg", AggregateFunction::kAvg, true, false, false},
    {"min", AggregateFunction::kMin, true, false, false},
    {"max", AggregateFunction::kMax, true, false, false},
    {"stddev", AggregateFunction::kStddev, true, false, false},
    {"count_distinct", AggregateFunction::kCountDistinct, true, true, true},
    {"count_distinct_month", AggregateFunction::kCountDistinctMonths, false, true, false},
    {"days_since_max", AggregateFunction::kDaysSinceMax, false, true, false},
    {"days_since_min", AggregateFunction::kDaysSinceMin, false, true, false},
    {"first", AggregateFunction::kFirst, true, false, false},
    {"last", AggregateFunction::kLast, true, false, false},
    {"latest", AggregateFunction::kLatest, true, false, false},
};

std::string FunctionText(const FunctionRow& row, const std::string& column) {
  switch (row.function) {
    case AggregateFunction::kCountDistinctMonths:
      return "count_distinct(month(" + column + "))";
    case AggregateFunction::kDaysSinceMax:
      return "days_since(max(" + column + "))";
    case AggregateFunction::kDaysSinceMin:
      return "days_since(min(" + column + "))";
    default:
      return std::string(row.name) + "(" + column + ")";
  }
}

bool IsCount(AggregateFunction function) {
  using enum AggregateFunction;
  return function == kCountRows || function == kCount || function == kCountDistinct ||
         function == kCountDistinctMonths;
}

/// Compiles one view. Mistakes go to the list of the whole file.
class ViewCompiler {
 public:
  ViewCompiler(const FeatureFile& file, const ViewSpec& spec, std::vector<ColumnInfo> schema,
               ErrorList& errors)
      : file_(file),
        spec_(spec),
        errors_(errors),
        scope_(std::move(schema), spec.source.value, errors) {}

  ViewPlan Compile(const base::Located<std::string>& name);

 private:
  void RequireTimestamp(const base::Located<std::string>& column, std::string_view role,
                        std::string& out);
  bool TakeName(const base::Located<std::string>& name);
  void CompileFeature(const base::Located<std::string>& name,
                      const base::Located<std::string>& text);
  bool CheckInputType(const FunctionRow& row, const ColumnInfo& column,
                      const base::SourceLocation& where);
  std::optional<int> FilterIndex(Expression filter, std::string& canonical);
  void CompileDerived();
  bool Resolve(Expression& e, std::vector<std::size_t>& uses);
  bool Place(std::size_t index, std::vector<std::size_t>& path);
  ContentHash Hash() const;

  const FeatureFile& file_;
  const ViewSpec& spec_;
  ErrorList& errors_;
  internal::ColumnScope scope_;
  ViewPlan plan_;
  /// Derived features as parsed, what each uses of its like, and how far their ordering is: 0 not
  /// seen, 1 on the path, 2 placed.
  std::vector<Expression> parsed_;
  std::vector<std::vector<std::size_t>> uses_;
  std::vector<int> state_;
};

void ViewCompiler::RequireTimestamp(const base::Located<std::string>& column, std::string_view role,
                                    std::string& out) {
  const ColumnInfo* info = scope_.Find(column.value, column.where, role);
  if (info == nullptr) {
    return;
  }
  if (info->type != ColumnType::kTimestamp) {
    errors_.Add(InvalidArgument(std::string(role) + " \"" + column.value + "\" has type " +
                                std::string(data::ColumnTypeName(info->type)) +
                                ", wanted timestamp")
                    .At(column.where)
                    .Hint("cast it in the table's SQL"));
  }
  out = column.value;
}

bool ViewCompiler::TakeName(const base::Located<std::string>& name) {
  const bool is_taken =
      std::any_of(plan_.columns.begin(), plan_.columns.end(),
                  [&](const FeatureColumn& column) { return column.name == name.value; });
  if (is_taken || name.value == plan_.key || name.value == "as_of" || name.value.empty()) {
    errors_.Add(InvalidArgument("feature name \"" + name.value + "\" is " +
                                (name.value.empty() ? "empty"
                                 : is_taken         ? "given twice"
                                                    : "the name of a key column"))
                    .At(name.where)
                    .Hint("choose another name"));
    return false;
  }
  return true;
}

bool ViewCompiler::CheckInputType(const FunctionRow& row, const ColumnInfo& column,
                                  const base::SourceLocation& where) {
  const bool is_text = column.type == ColumnType::kString;
  const bool is_time = column.type == ColumnType::kTimestamp;
  if (is_text ? row.takes_text : is_time ? row.takes_timestamp : row.takes_number) {
    return true;
  }
  const std::string_view wanted = row.takes_number ? "a number" : "a timestamp";
  Error error = InvalidArgument(FunctionText(row, column.name) + ": column \"" + column.name +
                                "\" has type " + std::string(data::ColumnTypeName(column.type)) +
                                ", wanted " + std::string(wanted))
                    .At(where);
  if (is_time) {
    error = std::move(error).Hint(
        "of a timestamp there are count, count_distinct, count_distinct(month(t)), "
        "days_since(max(t)) and "
        "days_since(min(t))");
  } else if (is_text) {
    error = std::move(error).Hint(
        "of a text there are count and count_distinct; a condition goes behind where");
  }
  errors_.Add(std::move(error));
  return false;
}

void ViewCompiler::CompileFeature(const base::Located<std::string>& name,
                                  const base::Located<std::string>& text) {
  const bool is_named = TakeName(name);
  Result<ParsedAggregate> parsed = ParseAggregate(text.value, text.where);
  if (!parsed.ok()) {
    errors_.Add(std::move(parsed).error().With("feature \"" + name.value + "\""));
    return;
  }
  Aggregate aggregate;
  aggregate.window_micros = parsed->window_micros;
  const auto* row = std::find_if(std::begin(kFunctionRows), std::end(kFunctionRows),
                                 [&](const FunctionRow& r) { return r.name == parsed->function; });
  std::string canonical = "count(*)";
  if (!parsed->column.empty()) {
    aggregate.function = row->function;
    const ColumnInfo* column = scope_.Find(parsed->column, parsed->column_where, "column");
    if (column == nullptr || !CheckInputType(*row, *column, parsed->column_where)) {
      return;
    }
    aggregate.input = scope_.InputIndex(*column);
    canonical = FunctionText(*row, column->name);
  }
  if (parsed->filter.has_value()) {
    const std::optional<int> filter = FilterIndex(*std::move(parsed->filter), canonical);
    if (!filter.has_value()) {
      return;
    }
    aggregate.filter = *filter;
  }
  if (aggregate.window_micros > 0) {
    canonical += " over " + base::FormatDuration({aggregate.window_micros});
  }
  if (aggregate.function == AggregateFunction::kLatest &&
      (aggregate.filter >= 0 || aggregate.window_micros > 0)) {
    errors_.Add(InvalidArgument("latest(" + parsed->column +
                                ") looks up one row and takes neither where nor over")
                    .At(text.where)
                    .Hint("last(x) is the aggregate of that kind"));
    return;
  }
  if (is_named) {
    plan_.columns.push_back({name.value,
                             IsCount(aggregate.function) ? ColumnType::kInt64 : ColumnType::kDouble,
                             canonical, false, static_cast<int>(plan_.aggregates.size())});
    plan_.aggregates.push_back(aggregate);
  }
}

std::optional<int> ViewCompiler::FilterIndex(Expression filter, std::string& canonical) {
  const std::optional<ValueType> type = scope_.TypeOf(filter);
  if (!type.has_value()) {
    return std::nullopt;
  }
  if (*type != ValueType::kBoolean) {
    errors_.Add(InvalidArgument("where wants a condition, found " +
                                std::string(internal::ValueTypeName(*type)))
                    .At(filter.where));
    return std::nullopt;
  }
  const std::string text = CanonicalText(filter);
  canonical += " where " + text;
  for (std::size_t i = 0; i < plan_.filters.size(); ++i) {
    if (CanonicalText(plan_.filters[i]) == text) {
      return static_cast<int>(i);
    }
  }
  plan_.filters.push_back(std::move(filter));
  return static_cast<int>(plan_.filters.size()) - 1;
}

/// Binds the names of a derived expression to columns and collects which derived features it uses.
bool ViewCompiler::Resolve(Expression& e, std::vector<std::size_t>& uses) {
  if (e.op == Operator::kText) {
    errors_.Add(InvalidArgument("a text ('" + e.text +
                                "') has no place in a derived feature: it computes numbers")
                    .At(e.where));
    return false;
  }
  if (e.op == Operator::kName) {
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
      if (plan_.columns[i].name == e.text) {
        e.number = static_cast<double>(i);
        if (plan_.columns[i].is_derived) {
          uses.push_back(static_cast<std::size_t>(plan_.columns[i].index));
        }
        return true;
      }
    }
    const bool is_broken =
        std::any_of(spec_.features.begin(), spec_.features.end(),
                    [&](const auto& feature) { return feature.first.value == e.text; });
    if (is_broken) {
      return false;  // Its own mistake is told already.
    }
    errors_.Add(InvalidArgument("\"" + e.text + "\" is no feature of this view" +
                                base::DidYouMean(e.text, plan_.ColumnNames()))
                    .At(e.where));
    return false;
  }
  bool ok = true;
  for (Expression& argument : e.arguments) {
    ok = Resolve(argument, uses) && ok;
  }
  return ok;
}

/// Puts a derived feature behind all that it uses; false if it uses itself.
bool ViewCompiler::Place(std::size_t index, std::vector<std::size_t>& path) {
  if (state_[index] == 2) {
    return true;
  }
  path.push_back(index);
  if (state_[index] == 1) {
    return false;
  }
  state_[index] = 1;
  for (const std::size_t used : uses_[index]) {
    if (!Place(used, path)) {
      return false;
    }
  }
  path.pop_back();
  state_[index] = 2;
  for (FeatureColumn& column : plan_.columns) {
    if (column.is_derived && column.index == static_cast<int>(index)) {
      // Negative until all are placed, so that a new place is not taken for an old index.
      column.index = -1 - static_cast<int>(plan_.derived.size());
      break;
    }
  }
  plan_.derived.push_back(parsed_[index]);
  return true;
}

void ViewCompiler::CompileDerived() {
  const std::size_t before = errors_.errors().size();
  std::vector<std::string> names;
  for (const auto& [name, text] : spec_.derived) {
    if (!TakeName(name)) {
      continue;
    }
    Result<Expression> parsed = ParseExpression(text.value, text.where);
    if (!parsed.ok()) {
      errors_.Add(std::move(parsed).error().With("feature \"" + name.value + "\""));
      parsed = Expression{};
    }
    plan_.columns.push_back({name.value, ColumnType::kDouble, CanonicalText(*parsed), true,
                             static_cast<int>(parsed_.size())});
    names.push_back(name.value);
    parsed_.push_back(*std::move(parsed));
  }
  uses_.resize(parsed_.size());
  state_.assign(parsed_.size(), 0);
  for (std::size_t i = 0; i < parsed_.size(); ++i) {
    Resolve(parsed_[i], uses_[i]);
  }
  if (errors_.errors().size() != before) {
    return;
  }
  for (std::size_t i = 0; i < parsed_.size(); ++i) {
    std::vector<std::size_t> path;
    if (!Place(i, path)) {
      std::string circle;
      for (const std::size_t step : path) {
        circle += (circle.empty() ? "" : " -> ") + names[step];
      }
      errors_.Add(InvalidArgument("derived features use each other in a circle: " + circle)
                      .At(parsed_[i].where));
      return;
    }
  }
  for (FeatureColumn& column : plan_.columns) {
    column.index = column.is_derived ? -1 - column.index : column.index;
  }
}

ContentHash ViewCompiler::Hash() const {
  base::Hasher hasher;
  hasher.Add("millrace feature view 1").Add(plan_.name).Add(plan_.entity).Add(plan_.key);
  hasher.Add(data::ColumnTypeName(plan_.key_type))
      .Add(plan_.source)
      .Add(plan_.time)
      .Add(plan_.created);
  hasher.Add(plan_.as_known_then)
      .Add(plan_.lookup_includes_now)
      .Add(plan_.include_now)
      .Add(plan_.ttl_micros);
  // The order in which texts mention the inputs has no meaning.
  std::map<std::string, ColumnType> inputs;
  for (const ColumnInfo& input : plan_.inputs) {
    inputs[input.name] = input.type;
  }
  hasher.Add(static_cast<std::uint64_t>(inputs.size()));
  for (const auto& [name, type] : inputs) {
    hasher.Add(name).Add(data::ColumnTypeName(type));
  }
  hasher.Add(static_cast<std::uint64_t>(plan_.columns.size()));
  for (const FeatureColumn& column : plan_.columns) {
    hasher.Add(column.name).Add(column.is_derived).Add(column.definition);
  }
  return hasher.Finish();
}

ViewPlan ViewCompiler::Compile(const base::Located<std::string>& name) {
  plan_.name = name.value;
  plan_.description = spec_.description;
  plan_.entity = file_.entity.value;
  plan_.key = file_.key.value;
  plan_.source = spec_.source.value;
  plan_.as_known_then = spec_.history != "as_corrected";
  plan_.lookup_includes_now = spec_.as_of != "<";
  plan_.include_now = spec_.include_now;
  plan_.ttl_micros = spec_.ttl.has_value() ? spec_.ttl->micros : 0;
  if (plan_.ttl_micros < 0) {
    errors_.Add(InvalidArgument("ttl of view \"" + name.value + "\" is negative")
                    .At(name.where)
                    .Hint("leave it out for no limit"));
  }
  if (const ColumnInfo* key = scope_.Find(file_.key.value, file_.key.where, "key");
      key != nullptr) {
    plan_.key_type = key->type;
    if (key->type != ColumnType::kInt64 && key->type != ColumnType::kString) {
      errors_.Add(InvalidArgument("key \"" + key->name + "\" has type " +
                                  std::string(data::ColumnTypeName(key->type)) +
                                  ", wanted int64 or string")
                      .At(file_.key.where)
                      .Hint("cast it in the table's SQL"));
    }
  }
  RequireTimestamp(spec_.time, "time", plan_.time);
  if (spec_.created.has_value()) {
    RequireTimestamp(*spec_.created, "created", plan_.created);
  }
  if (spec_.features.empty()) {
    errors_.Add(InvalidArgument("view \"" + name.value + "\" has no features").At(name.where));
  }
  for (const auto& [feature, text] : spec_.features) {
    CompileFeature(feature, text);
  }
  plan_.inputs = scope_.inputs();
  CompileDerived();
  plan_.hash = Hash();
  return std::move(plan_);
}

}  // namespace

std::vector<std::string> ViewPlan::ColumnNames() const {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const FeatureColumn& column : columns) {
    names.push_back(column.name);
  }
  return names;
}

Result<std::vector<ViewPlan>> CompileFeatures(const FeatureFile& file, const SchemaOf& schema_of) {
  ErrorList errors;
  std::vector<ViewPlan> plans;
  for (const auto& [name, spec] : file.views) {
    Result<std::vector<ColumnInfo>> schema = schema_of(spec.source.value);
    if (!schema.ok()) {
      errors.Add(
          std::move(schema).error().At(spec.source.where).With("view \"" + name.value + "\""));
      continue;
    }
    plans.push_back(ViewCompiler(file, spec, *std::move(schema), errors).Compile(name));
  }
  if (!errors.empty()) {
    return errors.ToError();
  }
  return plans;
}

}  // namespace millrace::features
