#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes great_expectations.json: what Great Expectations 1.24.1 (pandas) says about small tables.

Usage: pip install great_expectations==1.24.1 && python3 generate.py > great_expectations.json
"""
import json
import math
import sys

import great_expectations as gx
import pandas as pd

TABLES = {
    "numbers": {
        "i": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        "f": [0.5, None, -1.25, 3.75, 3.75, None, 100.0, 0.0, 2.5, 2.5],
        "g": [0.5, None, -2.0, 4.0, 3.0, 1.0, None, 0.0, 2.5, 1.5],
        "up": [1.0, 1.0, 2.0, None, 3.0, 2.5, 4.0, 4.0, 5.0, 6.0],
    },
    "texts": {
        "s": ["abc", "ABC", "", None, "abcd", "a b", "abc", "zoë", "x1", "12"],
        "t": ["abc", "b", "", None, None, "a b", "c", "zoë", "x2", "12"],
        "k": ["a", "a", "b", "b", "c", None, None, "d", "e", "f"],
    },
    "empty": {"f": [], "s": []},
    "nulls": {"f": [None, None, None], "g": [1.0, None, None]},
}

CASES = [
    ("numbers", "expect_column_values_to_be_between", {"column": "f", "min_value": 0, "max_value": 3.75}),
    ("numbers", "expect_column_values_to_be_between", {"column": "f", "min_value": 0, "max_value": 3.75, "strict_min": True}),
    ("numbers", "expect_column_values_to_be_between", {"column": "f", "min_value": 0, "max_value": 3.75, "strict_max": True}),
    ("numbers", "expect_column_values_to_be_between", {"column": "f", "min_value": 0, "mostly": 0.875}),
    ("numbers", "expect_column_values_to_be_between", {"column": "f", "min_value": 0, "mostly": 0.876}),
    ("numbers", "expect_column_values_to_be_between", {"column": "i", "max_value": 9}),
    ("numbers", "expect_column_values_to_be_in_set", {"column": "i", "value_set": [1, 2, 3]}),
    ("numbers", "expect_column_values_to_not_be_in_set", {"column": "f", "value_set": [3.75, 100]}),
    ("numbers", "expect_column_values_to_be_null", {"column": "f"}),
    ("numbers", "expect_column_values_to_be_null", {"column": "f", "mostly": 0.2}),
    ("numbers", "expect_column_values_to_not_be_null", {"column": "f"}),
    ("numbers", "expect_column_values_to_not_be_null", {"column": "f", "mostly": 0.8}),
    ("numbers", "expect_column_values_to_be_unique", {"column": "f"}),
    ("numbers", "expect_column_values_to_be_unique", {"column": "i"}),
    ("numbers", "expect_column_values_to_be_unique", {"column": "f", "mostly": 0.5}),
    ("numbers", "expect_column_values_to_be_increasing", {"column": "up"}),
    ("numbers", "expect_column_values_to_be_increasing", {"column": "up", "strictly": True}),
    ("numbers", "expect_column_values_to_be_decreasing", {"column": "up"}),
    ("numbers", "expect_column_mean_to_be_between", {"column": "f", "min_value": 10, "max_value": 20}),
    ("numbers", "expect_column_min_to_be_between", {"column": "f", "min_value": -1.25, "strict_min": True}),
    ("numbers", "expect_column_min_to_be_between", {"column": "f", "min_value": -1.25}),
    ("numbers", "expect_column_max_to_be_between", {"column": "f", "max_value": 100}),
    ("numbers", "expect_column_max_to_be_between", {"column": "f", "max_value": 100, "strict_max": True}),
    ("numbers", "expect_column_sum_to_be_between", {"column": "f", "min_value": 0, "max_value": 1000}),
    ("numbers", "expect_column_median_to_be_between", {"column": "f", "min_value": 2.5, "max_value": 2.5}),
    ("numbers", "expect_column_median_to_be_between", {"column": "i", "min_value": 5, "max_value": 6}),
    ("numbers", "expect_column_stdev_to_be_between", {"column": "f", "min_value": 0, "max_value": 30}),
    ("numbers", "expect_column_unique_value_count_to_be_between", {"column": "f", "min_value": 6, "max_value": 6}),
    ("numbers", "expect_column_proportion_of_unique_values_to_be_between", {"column": "f", "min_value": 0.75, "max_value": 0.75}),
    ("numbers", "expect_column_distinct_values_to_be_in_set", {"column": "i", "value_set": list(range(1, 20))}),
    ("numbers", "expect_column_distinct_values_to_contain_set", {"column": "i", "value_set": [1, 11]}),
    ("numbers", "expect_column_distinct_values_to_equal_set", {"column": "i", "value_set": list(range(1, 11))}),
    ("numbers", "expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "f", "column_B": "g"}),
    ("numbers", "expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "f", "column_B": "g", "or_equal": True}),
    ("numbers", "expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "f", "column_B": "g", "or_equal": True, "ignore_row_if": "either_value_is_missing"}),
    ("numbers", "expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "f", "column_B": "g", "or_equal": True, "ignore_row_if": "neither"}),
    ("numbers", "expect_column_pair_values_to_be_equal", {"column_A": "f", "column_B": "g", "ignore_row_if": "either_value_is_missing"}),
    ("numbers", "expect_table_row_count_to_be_between", {"min_value": 10, "max_value": 10}),
    ("numbers", "expect_table_row_count_to_equal", {"value": 11}),
    ("numbers", "expect_table_column_count_to_equal", {"value": 4}),
    ("numbers", "expect_table_column_count_to_be_between", {"min_value": 5}),
    ("numbers", "expect_table_columns_to_match_set", {"column_set": ["up", "g", "f", "i"]}),
    ("numbers", "expect_table_columns_to_match_set", {"column_set": ["up", "g"]}),
    ("numbers", "expect_table_columns_to_match_set", {"column_set": ["up", "g"], "exact_match": False}),
    ("numbers", "expect_table_columns_to_match_ordered_list", {"column_list": ["i", "f", "g", "up"]}),
    ("numbers", "expect_table_columns_to_match_ordered_list", {"column_list": ["f", "i", "g", "up"]}),
    ("numbers", "expect_column_to_exist", {"column": "g"}),
    ("numbers", "expect_column_to_exist", {"column": "h"}),
    ("texts", "expect_column_values_to_be_in_set", {"column": "s", "value_set": ["abc", "ABC", ""]}),
    ("texts", "expect_column_values_to_match_regex", {"column": "s", "regex": "b"}),
    ("texts", "expect_column_values_to_match_regex", {"column": "s", "regex": "^[a-z]+$"}),
    ("texts", "expect_column_values_to_match_regex", {"column": "s", "regex": "(?P<word>\\w+)", "mostly": 0.8}),
    ("texts", "expect_column_values_to_not_match_regex", {"column": "s", "regex": "^\\d+$"}),
    ("texts", "expect_column_values_to_match_regex", {"column": "s", "regex": "(?i)^abc$"}),
    ("texts", "expect_column_value_lengths_to_be_between", {"column": "s", "min_value": 2, "max_value": 3}),
    ("texts", "expect_column_value_lengths_to_equal", {"column": "s", "value": 3}),
    ("texts", "expect_column_values_to_be_unique", {"column": "s"}),
    ("texts", "expect_column_unique_value_count_to_be_between", {"column": "s", "min_value": 8}),
    ("texts", "expect_column_distinct_values_to_contain_set", {"column": "s", "value_set": ["abc", "zoë"]}),
    ("texts", "expect_compound_columns_to_be_unique", {"column_list": ["s", "t"]}),
    ("texts", "expect_compound_columns_to_be_unique", {"column_list": ["k", "k"]}),
    ("texts", "expect_compound_columns_to_be_unique", {"column_list": ["k", "t"], "ignore_row_if": "any_value_is_missing"}),
    ("texts", "expect_column_pair_values_to_be_equal", {"column_A": "s", "column_B": "t", "ignore_row_if": "either_value_is_missing"}),
    ("empty", "expect_column_values_to_be_between", {"column": "f", "min_value": 0}),
    ("empty", "expect_column_values_to_not_be_null", {"column": "f"}),
    ("empty", "expect_column_mean_to_be_between", {"column": "f", "min_value": 0}),
    ("empty", "expect_column_max_to_be_between", {"column": "f", "min_value": 0}),
    ("empty", "expect_column_unique_value_count_to_be_between", {"column": "f", "min_value": 0}),
    ("empty", "expect_column_proportion_of_unique_values_to_be_between", {"column": "f", "max_value": 1}),
    ("nulls", "expect_column_values_to_be_between", {"column": "f", "min_value": 0}),
    ("nulls", "expect_column_values_to_be_unique", {"column": "f"}),
    ("nulls", "expect_column_mean_to_be_between", {"column": "f", "min_value": 0}),
    ("nulls", "expect_column_median_to_be_between", {"column": "f", "min_value": 0}),
    ("nulls", "expect_column_min_to_be_between", {"column": "f", "min_value": 0}),
    ("nulls", "expect_column_stdev_to_be_between", {"column": "g", "min_value": 0}),
    ("nulls", "expect_column_unique_value_count_to_be_between", {"column": "f", "max_value": 0}),
]


def frame(name):
    columns = {}
    for column, values in TABLES[name].items():
        is_text = name == "texts" or column == "s"
        columns[column] = pd.Series(values, dtype="object" if is_text else ("int64" if column == "i" else "float64"))
    return pd.DataFrame(columns)


def plain(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    value = float(value)
    return None if math.isnan(value) else value


def main():
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("pandas")
    batches = {}
    for name in TABLES:
        asset = source.add_dataframe_asset(name)
        batches[name] = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame(name)})
    cases = []
    for table, kind, kwargs in CASES:
        expectation = gx.expectations.registry.get_expectation_impl(kind)(**kwargs)
        outcome = batches[table].validate(expectation, result_format="SUMMARY").to_json_dict()
        result = outcome["result"]
        case = {"table": table, "type": kind, "kwargs": kwargs, "success": outcome["success"]}
        if outcome["exception_info"].get("raised_exception") or any(
            isinstance(v, dict) and v.get("raised_exception") for v in outcome["exception_info"].values()
        ):
            case["raised"] = True
        if "unexpected_count" in result:
            case["unexpected_count"] = result["unexpected_count"]
            case["unexpected_percent"] = plain(result.get("unexpected_percent"))
        observed = result.get("observed_value")
        if observed is None or isinstance(observed, (int, float)):
            case["observed_value"] = plain(observed)
        cases.append(case)
    origin = "great_expectations %s, pandas %s, by generate.py" % (gx.__version__, pd.__version__)
    # One case per line: readable differences without a thousand lines.
    lines = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases)
    tables = json.dumps(TABLES, ensure_ascii=False)
    sys.stdout.write('{\n "origin": %s,\n "tables": %s,\n "cases": [\n%s\n ]\n}\n' % (json.dumps(origin), tables, lines))


if __name__ == "__main__":
    main()
