// SPDX-License-Identifier: Apache-2.0
// The search index against a naive evaluation of random filters and orders.
#include "tracking/internal/test_run_index.h"

namespace millrace::tracking::internal {
namespace {

FieldValue NaiveValue(const NaiveRun& run, const Field& field) {
  const auto text = [](const std::map<std::string, std::string>& texts, const std::string& key) {
    const auto at = texts.find(key);
    return at == texts.end() ? FieldValue() : FieldValue(std::string_view(at->second));
  };
  switch (field.kind) {
    case FieldKind::kMetric: {
      const auto at = run.metrics.find(field.key);
      return at == run.metrics.end() ? FieldValue() : FieldValue(at->second);
    }
    case FieldKind::kParam:
      return text(run.params, field.key);
    case FieldKind::kTag:
      return text(run.tags, field.key);
    default:
      break;
  }
  if (field.key == "start_time") {
    return run.start_time;
  }
  if (field.key == "end_time") {
    return run.end_time.has_value() ? FieldValue(*run.end_time) : FieldValue();
  }
  if (field.key == "status") {
    return RunStatusName(run.status);
  }
  return field.key == "run_name"
             ? text(run.tags, "mlflow.runName")
             : FieldValue(std::string_view(field.key == "user_id" ? run.user_id : run.run_id));
}

std::vector<std::int64_t> NaiveSearch(const std::vector<NaiveRun>& runs, const IndexQuery& query) {
  std::vector<NaiveRun> items;
  for (const NaiveRun& run : runs) {
    const bool in_view =
        query.view == ViewType::kAll || run.is_active == (query.view == ViewType::kActiveOnly);
    if (in_view && std::count(query.experiment_ids.begin(), query.experiment_ids.end(),
                              run.experiment_id) > 0) {
      items.push_back(run);
    }
  }
  std::sort(items.begin(), items.end(), [](const NaiveRun& a, const NaiveRun& b) {
    return a.start_time != b.start_time ? a.start_time > b.start_time : a.run_id < b.run_id;
  });
  FilterAndOrder(items, std::span(query.filter), std::span(query.order), NaiveValue);
  std::vector<std::int64_t> keys;
  for (auto i = static_cast<std::size_t>(query.offset); i < items.size(); ++i) {
    if (keys.size() > static_cast<std::size_t>(query.limit)) {
      break;
    }
    keys.push_back(items[i].run_key);
  }
  return keys;
}

/// Makes random runs, filters and orders over few keys and values, so that ties are many.
class Randomly {
 public:
  explicit Randomly(unsigned seed) : random_(seed) {}
  std::size_t Below(std::size_t n) { return random_() % n; }

  NaiveRun Run(std::int64_t run_key) {
    NaiveRun run = Plain(run_key);
    run.experiment_id = static_cast<std::int64_t>(Below(3));
    run.user_id = std::string(1, "abc"[Below(3)]);
    run.status = static_cast<RunStatus>(1 + Below(5));
    run.start_time = static_cast<std::int64_t>(Below(6));
    if (Below(3) != 0) {
      run.end_time = static_cast<std::int64_t>(Below(5)) - 2;
    }
    run.is_active = Below(6) != 0;
    run.tags["mlflow.runName"] = "run-" + std::to_string(Below(9));
    for (const char* key : {"common", "rare", "half"}) {
      const std::size_t every = key[0] == 'c' ? 1 : (key[0] == 'h' ? 2 : 8);
      if (Below(every) == 0) {
        run.metrics[key] = Number();
      }
      if (Below(every) == 0) {
        run.params[key] = Word();
      }
      if (Below(every) == 0) {
        run.tags[key] = Word();
      }
    }
    return run;
  }
  std::string Filter() {
    std::string filter;
    for (std::size_t n = Below(4); n > 0; --n) {
      filter += (filter.empty() ? "" : " AND ") + One();
    }
    return filter;
  }
  std::vector<std::string> Order() {
    std::vector<std::string> fields = {"metrics.common", "metrics.rare", "metrics.half",
                                       "params.common",  "params.rare",  "tags.half",
                                       "start_time",     "end_time",     "status",
                                       "user_id",        "run_id",       "run_name"};
    std::shuffle(fields.begin(), fields.end(), random_);
    fields.resize(Below(4));
    for (std::string& field : fields) {
      field += Below(2) == 0 ? " DESC" : "";
    }
    return fields;
  }

 private:
  double Number() {
    const double values[] = {
        -1.5, -0.0, 0, 0.5, 2, 1e300, std::numeric_limits<double>::quiet_NaN()};
    return values[Below(7)];
  }
  std::string Word() {
    const char* words[] = {"", "a", "A", "ab", "abcdefgh1", "abcdefgh2", "\xC3\xBC"};
    return words[Below(7)];
  }
  std::string One() {
    const std::string key = std::vector<std::string>{"common", "rare", "half", "none"}[Below(4)];
    const std::string number = std::vector<std::string>{"-1.5", "0", "0.5", "2"}[Below(4)];
    const std::string compare = std::vector<std::string>{"=", "!=", "<", "<=", ">", ">="}[Below(6)];
    switch (Below(7)) {
      case 0:
      case 1:
        return "metrics." + key + " " + compare + " " + number;
      case 2:
        return std::string(Below(2) == 0 ? "params." : "tags.") + key +
               (Below(2) == 0 ? " IS NULL" : " IS NOT NULL");
      case 3:
        return std::string(Below(2) == 0 ? "start_time " : "end_time ") + compare + " " +
               std::to_string(Below(4));
      case 4:
        return "status " + std::string(Below(2) == 0 ? "=" : "!=") + " 'FINISHED'";
      case 5:
        return "run_name LIKE '%" + std::to_string(Below(9)) + "'";
      default:
        return std::string(Below(2) == 0 ? "params." : "tags.") + key +
               std::vector<std::string>{" = ", " != ", " LIKE ", " ILIKE "}[Below(4)] +
               std::vector<std::string>{"''", "'a'", "'a%'", "'%2'", "'_'"}[Below(5)];
    }
  }
  std::mt19937 random_;
};

class RunIndexRandomTest : public RunIndexTest {};

MILL_ON_EVERY_DATABASE(RunIndexRandomTest);

TEST_P(RunIndexRandomTest, AgreesWithANaiveEvaluation) {
  Randomly randomly(7);
  std::vector<NaiveRun> runs;
  for (std::int64_t key = 1; key <= 150; ++key) {
    runs.push_back(randomly.Run(key));
    Write(runs.back());
  }
  for (int round = 0; round < 600; ++round) {
    // Changed and new runs also come together.
    if (round % 4 == 1 || round % 20 == 4) {
      NaiveRun& run = runs[randomly.Below(runs.size())];
      const auto metrics = run.metrics;
      run = randomly.Run(run.run_key);
      // A metric never goes.
      run.metrics.insert(metrics.begin(), metrics.end());
      Write(run);
    }
    for (int n = round % 20 == 4 ? 2 : 0; n > 0; --n) {
      runs.push_back(randomly.Run(static_cast<std::int64_t>(runs.size() + 1)));
      Write(runs.back());
    }
    const std::string filter = randomly.Filter();
    const std::vector<std::string> order = randomly.Order();
    IndexQuery query = Query(filter, order);
    query.experiment_ids.resize(randomly.Below(4));
    query.view = static_cast<ViewType>(1 + randomly.Below(3));
    query.offset = static_cast<std::int64_t>(randomly.Below(2) * randomly.Below(20));
    query.limit = static_cast<std::int64_t>(randomly.Below(2) == 0 ? 5 : 500);
    ASSERT_EQ(Search(query), NaiveSearch(runs, query))
        << filter << " order " << testing::PrintToString(order) << " round " << round;
  }
}

}  // namespace
}  // namespace millrace::tracking::internal
