// SPDX-License-Identifier: Apache-2.0
// Kinds to accumulators.
#include "quality/internal/compile.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/number_format.h"
#include "base/regex.h"
#include "quality/internal/bounds.h"

namespace millrace::quality::internal {
namespace {

using data::ColumnType;
using data::ColumnTypeName;
using Make = std::function<std::unique_ptr<Accumulator>()>;

// What every compile function gets: the expectation, the table's shape, and the result to fill.
struct Job {
  const Expectation& e;
  std::int64_t n_rows;
  ColumnSet& columns;
  ExpectationResult& result;
};
using CompileKind = std::function<Result<Make>(Job&)>;

Error TypeProblem(const std::string& column, ColumnType type, const std::string& wanted) {
  return base::InvalidArgument("column \"" + column + "\" holds " +
                               std::string(ColumnTypeName(type)) + " values; wanted " + wanted);
}

bool IsNumeric(ColumnType type) {
  return type == ColumnType::kBool || type == ColumnType::kInt64 || type == ColumnType::kDouble;
}

// ---- expectations about the table: no scan ----

Result<Make> Verdict(Job& job, bool success, std::string observed, double value) {
  job.result.success = success;
  job.result.observed = std::move(observed);
  job.result.observed_value = value;
  return Make();
}

Result<Make> ColumnToExist(Job& job) {
  job.result.wanted = "exists";
  const auto place = job.columns.Use(job.e.column.value);
  if (!place.ok()) {
    job.result.observed = place.error().message();
    return Make();
  }
  job.result.success = true;
  job.result.observed = std::string(ColumnTypeName(job.columns.TypeAt(*place)));
  return Make();
}

std::string Join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

Result<Make> ColumnsMatchSet(Job& job) {
  std::set<std::string> wanted(job.e.column_set.begin(), job.e.column_set.end());
  for (const Scalar& name : job.e.value_set) {
    wanted.insert(name.text);
  }
  job.result.wanted = std::string(job.e.exact_match ? "exactly" : "at least") + " the columns " +
                      Join({wanted.begin(), wanted.end()});
  std::vector<std::string> extra;
  for (const data::ColumnInfo& column : job.columns.existing()) {
    if (wanted.erase(column.name) == 0) {
      extra.push_back(column.name);
    }
  }
  job.result.success = wanted.empty() && (extra.empty() || !job.e.exact_match);
  job.result.observed = std::to_string(job.columns.existing().size()) + " columns";
  if (!wanted.empty()) {
    job.result.observed += "; missing: " + Join({wanted.begin(), wanted.end()});
  }
  if (!extra.empty() && job.e.exact_match) {
    job.result.observed += "; not wanted: " + Join(extra);
  }
  return Make();
}

Result<Make> ColumnsMatchList(Job& job) {
  std::vector<std::string> wanted;
  for (const auto& name : job.e.column_list) {
    wanted.push_back(name.value);
  }
  std::vector<std::string> seen;
  for (const data::ColumnInfo& column : job.columns.existing()) {
    seen.push_back(column.name);
  }
  job.result.wanted = "the columns " + Join(wanted);
  job.result.success = wanted == seen;
  job.result.observed = Join(seen);
  return Make();
}

CompileKind TableCount(bool of_rows, bool exactly) {
  return [of_rows, exactly](Job& job) -> Result<Make> {
    const std::int64_t n =
        of_rows ? job.n_rows : static_cast<std::int64_t>(job.columns.existing().size());
    const std::string observed = base::FormatCount(n) + (of_rows ? " rows" : " columns");
    if (exactly) {
      job.result.wanted = base::FormatCount(*job.e.value);
      return Verdict(job, n == *job.e.value, observed, static_cast<double>(n));
    }
    job.result.wanted = RangeInWords(job.e);
    MILL_ASSIGN_OR_RETURN(const NumberRange range, ReadRange(job.e, ColumnType::kInt64));
    return Verdict(job, range.Contains(static_cast<double>(n)), observed, static_cast<double>(n));
  };
}

Result<Make> OfType(Job& job) {
  // Our names and those that pandas, SQL and Arrow have for the same.
  static const std::map<std::string, ColumnType> kTypes = {
      {"bool", ColumnType::kBool},
      {"boolean", ColumnType::kBool},
      {"int64", ColumnType::kInt64},
      {"int", ColumnType::kInt64},
      {"integer", ColumnType::kInt64},
      {"bigint", ColumnType::kInt64},
      {"double", ColumnType::kDouble},
      {"float", ColumnType::kDouble},
      {"float64", ColumnType::kDouble},
      {"string", ColumnType::kString},
      {"str", ColumnType::kString},
      {"object", ColumnType::kString},
      {"varchar", ColumnType::kString},
      {"timestamp", ColumnType::kTimestamp},
      {"datetime", ColumnType::kTimestamp},
      {"datetime64", ColumnType::kTimestamp},
      {"datetime64[ns]", ColumnType::kTimestamp},
      {"datetime64[us]", ColumnType::kTimestamp},
  };
  job.result.wanted = "holds " + job.e.type + " values";
  MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
  std::string name = job.e.type;
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto wanted = kTypes.find(name);
  if (wanted == kTypes.end()) {
    return base::InvalidArgument("type \"" + job.e.type +
                                 "\" is unknown; known: bool, int64, double, string, timestamp");
  }
  job.result.success = wanted->second == job.columns.TypeAt(place);
  job.result.observed =
      "holds " + std::string(ColumnTypeName(job.columns.TypeAt(place))) + " values";
  return Make();
}

// ---- expectations about single values ----

Make RowTestOf(const Job& job, std::size_t place, RowTest test) {
  return [place, test = std::move(test), mostly = job.e.mostly] {
    return MakeRowTest(place, test, NullRule::kLeaveOut, mostly);
  };
}

// A test of texts runs once per distinct text of a block.
RowTest ByText(std::function<bool(const std::string&)> holds) {
  return [holds = std::move(holds)](const ColumnBlock& column, std::vector<std::uint8_t>& bad) {
    std::vector<std::uint8_t> bad_code(column.texts.values.size());
    for (std::size_t code = 0; code < bad_code.size(); ++code) {
      bad_code[code] = holds(column.texts.values[code]) ? 0 : 1;
    }
    for (std::size_t i = 0; i < column.rows; ++i) {
      if (column.missing[i] == 0) {
        bad[i] = bad_code[static_cast<std::size_t>(column.texts.codes[i])];
      }
    }
  };
}

CompileKind Nulls(NullRule rule) {
  return [rule](Job& job) -> Result<Make> {
    job.result.wanted =
        (rule == NullRule::kAreBad ? "not null" : "null") + MostlyInWords(job.e.mostly);
    MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
    return Make(
        [place, rule, mostly = job.e.mostly] { return MakeRowTest(place, nullptr, rule, mostly); });
  };
}

CompileKind InSet(bool wanted_inside) {
  return [wanted_inside](Job& job) -> Result<Make> {
    job.result.wanted =
        (wanted_inside ? "in " : "not in ") + SetInWords(job.e) + MostlyInWords(job.e.mostly);
    MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
    MILL_ASSIGN_OR_RETURN(const std::shared_ptr<const ValueSet> set,
                          ReadSet(job.e, job.columns.TypeAt(place)));
    if (job.columns.TypeAt(place) == ColumnType::kString) {
      const auto texts = std::make_shared<const std::unordered_set<std::string>>(set->texts.begin(),
                                                                                 set->texts.end());
      return RowTestOf(job, place, ByText([texts, wanted_inside](const std::string& text) {
                         return texts->contains(text) == wanted_inside;
                       }));
    }
    const auto bits = std::make_shared<const std::unordered_set<std::uint64_t>>(set->bits.begin(),
                                                                                set->bits.end());
    return RowTestOf(
        job, place,
        [bits, wanted_inside](const ColumnBlock& column, std::vector<std::uint8_t>& bad) {
          for (std::size_t i = 0; i < column.rows; ++i) {
            bad[i] = bits->contains(column.Bits(i)) == wanted_inside ? 0 : 1;
          }
        });
  };
}

Result<Make> Between(Job& job) {
  job.result.wanted = RangeInWords(job.e) + MostlyInWords(job.e.mostly);
  MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
  if (job.columns.TypeAt(place) == ColumnType::kString) {
    return RowTestOf(
        job, place, ByText([e = job.e](const std::string& text) {
          return (!e.min || (e.strict_min ? text > e.min->text : text >= e.min->text)) &&
                 (!e.max || (e.strict_max ? text < e.max->text : text <= e.max->text));
        }));
  }
  MILL_ASSIGN_OR_RETURN(const NumberRange range, ReadRange(job.e, job.columns.TypeAt(place)));
  return RowTestOf(job, place, [range](const ColumnBlock& column, std::vector<std::uint8_t>& bad) {
    for (std::size_t i = 0; i < column.rows; ++i) {
      bad[i] = range.Contains(column.numbers[i]) ? 0 : 1;
    }
  });
}

Result<std::size_t> UseText(Job& job) {
  MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
  if (job.columns.TypeAt(place) != ColumnType::kString) {
    return TypeProblem(job.e.column.value, job.columns.TypeAt(place), "string");
  }
  return place;
}

CompileKind MatchesRegex(bool wanted_found) {
  return [wanted_found](Job& job) -> Result<Make> {
    job.result.wanted =
        (wanted_found ? "matches " : "does not match ") + job.e.regex + MostlyInWords(job.e.mostly);
    MILL_ASSIGN_OR_RETURN(const std::size_t place, UseText(job));
    MILL_ASSIGN_OR_RETURN(const base::Regex regex, base::Regex::Compile(job.e.regex));
    return RowTestOf(job, place, ByText([regex, wanted_found](const std::string& text) {
                       return regex.Search(text) == wanted_found;
                     }));
  };
}

// Characters, not bytes: continuation bytes of UTF-8 do not count.
double LengthOf(const std::string& text) {
  return static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

CompileKind Lengths(bool exactly) {
  return [exactly](Job& job) -> Result<Make> {
    NumberRange range;
    if (exactly) {
      range.min = range.max = static_cast<double>(*job.e.value);
      job.result.wanted = "length " + std::to_string(*job.e.value);
    } else {
      job.result.wanted = "length " + RangeInWords(job.e);
      MILL_ASSIGN_OR_RETURN(range, ReadRange(job.e, ColumnType::kInt64));
    }
    job.result.wanted += MostlyInWords(job.e.mostly);
    MILL_ASSIGN_OR_RETURN(const std::size_t place, UseText(job));
    return RowTestOf(job, place, ByText([range](const std::string& text) {
                       return range.Contains(LengthOf(text));
                     }));
  };
}

CompileKind Ordered(bool is_increasing) {
  return [is_increasing](Job& job) -> Result<Make> {
    job.result.wanted = std::string(job.e.strictly ? "strictly " : "") +
                        (is_increasing ? "increasing" : "decreasing") + MostlyInWords(job.e.mostly);
    MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
    return Make([place, is_increasing, strictly = job.e.strictly, mostly = job.e.mostly] {
      return MakeOrder(place, is_increasing, strictly, mostly);
    });
  };
}

Result<Make> Unique(Job& job) {
  job.result.wanted = "unique" + MostlyInWords(job.e.mostly);
  std::vector<std::size_t> places;
  if (job.e.column_list.empty()) {
    MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
    places.push_back(place);
  }
  for (const auto& name : job.e.column_list) {
    MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(name.value));
    places.push_back(place);
  }
  const IgnoreRows ignore = job.e.ignore_row_if == "never" ? IgnoreRows::kNever
                            : job.e.ignore_row_if == "any_value_is_missing"
                                ? IgnoreRows::kAnyMissing
                                : IgnoreRows::kAllMissing;
  return Make(
      [places, ignore, mostly = job.e.mostly] { return MakeUnique(places, ignore, mostly); });
}

CompileKind Pair(bool only_equal) {
  return [only_equal](Job& job) -> Result<Make> {
    job.result.wanted =
        std::string(only_equal ? "equal" : (job.e.or_equal ? "a at least b" : "a above b")) +
        MostlyInWords(job.e.mostly);
    MILL_ASSIGN_OR_RETURN(const std::size_t a, job.columns.Use(job.e.column_a.value));
    MILL_ASSIGN_OR_RETURN(const std::size_t b, job.columns.Use(job.e.column_b.value));
    const ColumnType a_type = job.columns.TypeAt(a);
    const ColumnType b_type = job.columns.TypeAt(b);
    if (a_type != b_type && !(IsNumeric(a_type) && IsNumeric(b_type))) {
      return TypeProblem(
          job.e.column_b.value, b_type,
          std::string(ColumnTypeName(a_type)) + ", as \"" + job.e.column_a.value + "\" holds");
    }
    const IgnoreRows ignore = job.e.ignore_row_if == "neither" ? IgnoreRows::kNever
                              : job.e.ignore_row_if == "either_value_is_missing"
                                  ? IgnoreRows::kAnyMissing
                                  : IgnoreRows::kAllMissing;
    return Make([a, b, only_equal, ignore, or_equal = job.e.or_equal, mostly = job.e.mostly] {
      return MakePair(a, b, or_equal, only_equal, ignore, mostly);
    });
  };
}

// ---- expectations about figures of a column ----

CompileKind OfMetric(Metric metric) {
  return [metric](Job& job) -> Result<Make> {
    job.result.wanted = RangeInWords(job.e);
    MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
    const ColumnType type = job.columns.TypeAt(place);
    const bool is_order =
        metric == Metric::kMin || metric == Metric::kMax || metric == Metric::kMedian;
    if (!IsNumeric(type) && !(is_order && type == ColumnType::kTimestamp)) {
      return TypeProblem(job.e.column.value, type, is_order ? "numbers or timestamps" : "numbers");
    }
    MILL_ASSIGN_OR_RETURN(const NumberRange range, ReadRange(job.e, type));
    return Make([place, metric, range] {
      return MakeMetric(place, metric, [range](double value) { return range.Contains(value); });
    });
  };
}

CompileKind OfDistinct(DistinctRule rule) {
  return [rule](Job& job) -> Result<Make> {
    const bool is_figure = rule == DistinctRule::kCount || rule == DistinctRule::kProportion;
    static constexpr const char* kWords[] = {"", "", "in ", "contain ", "equal "};
    job.result.wanted =
        is_figure ? RangeInWords(job.e) : kWords[static_cast<int>(rule)] + SetInWords(job.e);
    MILL_ASSIGN_OR_RETURN(const std::size_t place, job.columns.Use(job.e.column.value));
    NumberRange range;
    std::shared_ptr<const ValueSet> set;
    if (is_figure) {
      MILL_ASSIGN_OR_RETURN(range, ReadRange(job.e, ColumnType::kDouble));
    } else {
      MILL_ASSIGN_OR_RETURN(set, ReadSet(job.e, job.columns.TypeAt(place)));
    }
    return Make([place, rule, range, set] {
      return MakeDistinct(
          place, rule, [range](double value) { return range.Contains(value); }, set);
    });
  };
}

const std::map<std::string, CompileKind>& CompileKinds() {
  static const std::map<std::string, CompileKind> kinds = {
      {"column_to_exist", ColumnToExist},
      {"table_columns_to_match_set", ColumnsMatchSet},
      {"table_columns_to_match_ordered_list", ColumnsMatchList},
      {"table_row_count_to_be_between", TableCount(true, false)},
      {"table_row_count_to_equal", TableCount(true, true)},
      {"table_column_count_to_be_between", TableCount(false, false)},
      {"table_column_count_to_equal", TableCount(false, true)},
      {"column_values_to_be_of_type", OfType},
      {"column_values_to_be_null", Nulls(NullRule::kAreWanted)},
      {"column_values_to_not_be_null", Nulls(NullRule::kAreBad)},
      {"column_values_to_be_unique", Unique},
      {"column_values_to_be_in_set", InSet(true)},
      {"column_values_to_not_be_in_set", InSet(false)},
      {"column_values_to_be_between", Between},
      {"column_values_to_match_regex", MatchesRegex(true)},
      {"column_values_to_not_match_regex", MatchesRegex(false)},
      {"column_values_to_be_increasing", Ordered(true)},
      {"column_values_to_be_decreasing", Ordered(false)},
      {"column_value_lengths_to_be_between", Lengths(false)},
      {"column_value_lengths_to_equal", Lengths(true)},
      {"column_mean_to_be_between", OfMetric(Metric::kMean)},
      {"column_min_to_be_between", OfMetric(Metric::kMin)},
      {"column_max_to_be_between", OfMetric(Metric::kMax)},
      {"column_sum_to_be_between", OfMetric(Metric::kSum)},
      {"column_median_to_be_between", OfMetric(Metric::kMedian)},
      {"column_stdev_to_be_between", OfMetric(Metric::kStdev)},
      {"column_unique_value_count_to_be_between", OfDistinct(DistinctRule::kCount)},
      {"column_proportion_of_unique_values_to_be_between", OfDistinct(DistinctRule::kProportion)},
      {"column_distinct_values_to_be_in_set", OfDistinct(DistinctRule::kInSet)},
      {"column_distinct_values_to_contain_set", OfDistinct(DistinctRule::kContainSet)},
      {"column_distinct_values_to_equal_set", OfDistinct(DistinctRule::kEqualSet)},
      {"column_pair_values_a_to_be_greater_than_b", Pair(false)},
      {"column_pair_values_to_be_equal", Pair(true)},
      {"compound_columns_to_be_unique", Unique},
  };
  return kinds;
}

std::string SubjectOf(const Expectation& e) {
  if (!e.column.value.empty()) {
    return e.column.value;
  }
  if (!e.column_a.value.empty()) {
    return e.column_a.value + ", " + e.column_b.value;
  }
  std::string out;
  if (e.Kind() == "compound_columns_to_be_unique") {
    for (const auto& name : e.column_list) {
      out += (out.empty() ? "" : ", ") + name.value;
    }
  }
  return out;
}

}  // namespace

Result<std::size_t> ColumnSet::Use(const std::string& column) {
  const auto known = std::find(used_.begin(), used_.end(), column);
  if (known != used_.end()) {
    return static_cast<std::size_t>(known - used_.begin());
  }
  for (const data::ColumnInfo& info : existing_) {
    if (info.name == column) {
      used_.push_back(column);
      types_.push_back(info.type);
      return used_.size() - 1;
    }
  }
  std::vector<std::string> names;
  for (const data::ColumnInfo& info : existing_) {
    names.push_back(info.name);
  }
  return data::UnknownColumn(column, names);
}

Compiled Compile(const Expectation& expectation, std::int64_t n_rows, ColumnSet& columns) {
  Compiled compiled;
  compiled.result.kind = expectation.Kind();
  compiled.result.subject = SubjectOf(expectation);
  compiled.result.severity = expectation.severity;
  base::ErrorList errors;
  ValidateExpectation(expectation, errors);
  if (!errors.empty()) {
    compiled.result.problem = errors.errors().front().message();
    return compiled;
  }
  Job job{expectation, n_rows, columns, compiled.result};
  Result<Make> make = CompileKinds().at(compiled.result.kind)(job);
  if (make.ok()) {
    compiled.make = std::move(make).value();
  } else {
    compiled.result.problem = make.error().message();
  }
  return compiled;
}

}  // namespace millrace::quality::internal
