# SPDX-License-Identifier: Apache-2.0
"""What MLflow's SQL stores say to filters and order_by texts: `make_golden.py` writes golden.json beside itself.

Needs the real mlflow (tests/interop/requirements.txt). A case is accepted with its clauses, or refused with a message. Sets in
messages are sorted, since Python prints them in any order.
"""

import json
import pathlib
import re
import tempfile

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.search_logged_model_utils import parse_filter_string
from mlflow.utils.search_utils import (
    SearchExperimentsUtils,
    SearchModelUtils,
    SearchModelVersionUtils,
    SearchTraceUtils,
    SearchUtils,
)

COMPARATORS = ["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN", "==", "<>", "~", "NOT LIKE", "=!"]

RUNS = [
    "", "  ", "metrics.acc > 0.5", "metric.acc>=100", "metrics.XYZ = -3", "metrics.a = -1e3", "metrics.a < .5", "metrics.a > 5.",
    "metrics.a = 1E5", "metrics.a != 0x1F", "metrics.a = 1e+5", "metrics.a = +5", "metrics.a = '5'", "metrics.a = x", "metrics.a = metrics.b",
    "metrics.a > 'LR'", "metrics.\"legit name\" >= 0.243", "metrics.`spacey name` > 5", "metrics.'single' > 5", "metrics.\"a.b.c\" > 5",
    "metrics.a.b.c > 5", "metrics.`X//Y#$$@&Z` = 3", "metrics.a-b > 1", "metrics.a/b > 1", "metrics.a b > 1", "metrics.1abc > 1",
    "metrics.5 > 1", "metrics.1e5 > 1", "metrics. acc > 1", "metrics .acc > 1", "metrics.acc>1 AND params.a='b'",
    "metrics.acc > 1 and params.a = 'b'", "metrics.acc > 1 AnD params.a = 'b'", "metrics.a > 1 metrics.b > 2", "AND metrics.a > 1",
    "metrics.a > 1 AND", "metrics.a > 1 AND AND metrics.b < 2", "AND", "metrics.a > 1 OR params.b = 'c'", "NOT metrics.a > 1",
    "(metrics.a > 1)", "metrics.a > 1 AND (params.b = 'c')", "metrics.a BETWEEN 1 AND 2", "metrics.a > 1;", "metrics.a > 1; metrics.b < 2",
    "metrics.a > 1;  ", ";", "metrics.a > 1 NAND params.b = 'c'", "metrics.a", "metrics.a >", "> 5", "5", "'x'", "metrics.a LR !=",
    "1 = 1", "1 == 2", "1.0 > metrics.a", "'x' = params.a", "metrics.a = = 1", "metrics.a > > 1", "1 < metrics.a < 5",
    "params.m = 'tf'", "params.m != \"tf\"", "param.m='tf'", "parameter.m='tf'", "parameters.m = 'tf'", "params.m = tf", "params.m = `tf`",
    "params.m = 5", "params.m = ''", "params.m = \"L'Hosp\"", "params.m = 'it''s'", "params.m = 'tf", "params.m = tf'", "params.m = \"tf'",
    "params.'m = 'x'", "params.\"cat dog\" = 'pets'", "`params`.m = 'x'", "`params.m` = 'x'", "`metrics.a > 0.1", "param`.a > 0.1",
    "params.m LIKE '%a_b%'", "params.m like 'a%'", "params.m ILIKE 'A%'", "params.m ilike 'A%'", "params.m RLIKE 'a.*'", "params.m > 'a'",
    "params.m IN ('a', 'b')", "params.m IS NULL", "params.m is null", "params.m IS NOT NULL", "params.m is not null", "params.m IS 'x'",
    "params.m IS NULL AND metrics.a > 1", "metrics.a > 1 AND params.m IS NOT NULL AND tags.t IS NULL",
    "tags.version = 'commit'", "tag.t != 'x'", "tags.`mlflow.source.name` LIKE '%x'", "tags.mlflow.user = 'me'", "tags.\"t.a.g\" = \"a\"",
    "tags.a = 5", "tags.a IN ('x')", "tags.t IS NULL", "tags.t ISNULL", "tags.t NOT LIKE 'x'", "tags.t not  ilike 'x'",
    "tags.'\"' = 'x'", "tags.or = 'x'", "tags.and = 'x'", "tags.null = 'x'", "tags.é = 'ü'", "tags.x = '\u2603'",
    "status = 'FINISHED'", "attribute.status = 'RUNNING'", "attributes.status='RUNNING'", "attr.status != 'RUNNING'", "run.status = 'X'",
    "status = RUNNING", "status = 1", "status = true", "status IS NULL", "status IS 'RUNNING'", "status > 'A'", "status LIKE 'FIN%'",
    "status IN ('FINISHED')", "run_id = 'abc'", "run_id IN ('a', 'b')", "run_id IN ('a')", "run_id in (\"a\", 'b',)", "run_id NOT IN ('a')",
    "run_id not in ('a', 'b') and metrics.x > 1", "run_id IN ()", "run_id IN (1, 2)", "run_id IN ('a', 1)", "run_id IN ('a' 'b')",
    "run_id IN ('a',,'b')", "run_id IN 'a'", "run_id IN", "run_id IN ('a'", "run_id IN('a')", "metrics.x > 1 AND run_id IN ('a')",
    "attribute.run_id IN ('a') AND attribute.status = 'FINISHED'", "run_id IN ('it\\'s', \"b\\\"c\")", "run_id LIKE 'a%'",
    "run_name = 'x'", "attributes.`run name` = 'x'", "attribute.`Run Name` ILIKE 'x%'", "attributes.\"run name\" LIKE 'x'",
    "run_name IN ('a')", "name = 'x'", "user_id = 'me'", "artifact_uri = 'x'", "lifecycle_stage = 'active'", "experiment_id = '1'",
    "start_time > 1664067852747", "created > 5", "attribute.Created <= 5.5", "attributes.start_time = -1", "end_time != 0",
    "start_time = '5'", "start_time LIKE 5", "start_time > x", "start_time IN (5)", "end_time IS NULL", "start_time == 5",
    "dataset.name = 'x'", "datasets.digest != 'x'", "dataset.context LIKE 'tr%'", "datasets.name IN ('a', 'b')", "dataset.name NOT IN ('a')",
    "dataset.name = 5", "dataset.profile = 'x'", "dataset.name > 'x'", "dataset.name IS NULL", "dataset.context ILIKE 'x'",
    "m.acc >= 0.94", "acc >= 0.94", "p.model >= 'LR'", "a.x != 1", "attri.x != 1", "model = 'LR'", "attribute.start != 1", "foo is null",
    "attribute._status != 'RUNNING'", "trace.status = 'x'", "span.name = 'x'", "Metrics.a > 1", "METRICS.a > 1", "Status = 'x'",
    "metrics.a > 1 -- comment", "'; DROP TABLE runs; --", "tags.x = 'a'; DROP TABLE runs", "metrics.a > 99999999999999999999",
    "start_time > 99999999999999999999999", "metrics.a > 1 , metrics.b > 2", "metrics.a = 1.2.3", "metrics.a = 1_000",
    "metrics.`` > 1", "metrics.\"\" = 1", "tags.`a`.`b` = 'x'", "params.`a b`.c = 'x'", "metrics.a = NULL", "params.a = NULL", "metrics.a * 2 > 1",
    "metrics.a + metrics.b > 1", "count(metrics.a) > 1", "metrics.a > (1)", "params.a = ('x')", "tags.a.b.c LIKE '%'", "\tmetrics.a\n>\n1\t",
]
RUNS += [f"{entity} {comparator} {value}" for comparator in COMPARATORS
         for entity, value in [("metrics.a", "1"), ("params.a", "'x'"), ("tags.a", "'x'"), ("status", "'x'"), ("start_time", "5"),
                               ("dataset.name", "'x'"), ("run_name", "'x'"), ("run_id", "('x')"), ("dataset.digest", "('x')")]]

EXPERIMENTS = ["", "name = 'x'", "name LIKE '%x%'", "attribute.name ILIKE 'X%'", "attribute.`name` = 'x'", "`name` = 'x'", "attributes.name = 'x'",
               "name IN ('a')", "name = 5", "name = x", "tags.a = 'x'", "tag.`a b` != 'x'", "tags.a IS NULL", "tags.a IS NOT NULL AND name = 'x'",
               "name IS NULL", "tags.a > 'x'", "tags.a IN ('x')", "creation_time > 5", "last_update_time <= 5", "creation_time > 5.5",
               "creation_time = 1e3", "creation_time = 'x'", "creation_time LIKE 5", "experiment_id = '1'", "experiment_id IN ('1', '2')",
               "experiment_id = 'x'", "experiment_id IN ('1', 'x')", "experiment_id LIKE '1%'", "experiment_id = 1", "experiment_id NOT IN ('1')",
               "metrics.a > 1", "params.a = 'x'", "lifecycle_stage = 'active'", "name = 'x' OR name = 'y'", "name = 'x'; name = 'y'",
               "name = 'x' AND tags.a = 'y' AND creation_time > 5", "name > 'x'", "name == 'x'", "tags.`mlflow.x` = 'y'", "(name = 'x')"]
MODELS = ["", "name = 'x'", "name != 'x'", "name LIKE '%x'", "name like '%x'", "name ILIKE 'X'", "name IN ('a', 'b')", "name NOT IN ('a')", "`name` = 'x'",
          "attribute.name = 'x'", "name = 5", "name = x", "name > 'x'", "tags.a = 'x'", "tag.a != 'x'", "tags.`a b` LIKE 'x'", "tags.a > 'x'",
          "tags.a IN ('x')", "tags.a = 5", "tags.`mlflow.prompt.is_prompt` = 'true'", "run_id = 'x'", "timestamp > 5", "metrics.a > 1", "name",
          "name = 'x' AND tags.a = 'y'", "name = 'x' OR name = 'y'", "name = 'x'; name = 'y'", "  ", "name =", "name IN ()", "name IN (1)"]
VERSIONS = ["", "name = 'x'", "name LIKE '%x'", "name IN ('a', 'b')", "run_id = 'x'", "run_id IN ('a', 'b')", "run_id NOT IN ('a')", "run_id IN ()",
            "run_id IN (1)", "source_path = 'x'", "source_path LIKE '%x'", "source_path IN ('a')", "version_number = 5", "version_number > 5",
            "version_number = '5'", "version_number = 'x'", "version_number = 5.5", "version_number LIKE 5", "version_number IN (1)",
            "version_number <= 3 AND name = 'x'", "tags.a = 'x'", "tags.a LIKE '%x'", "tags.a > 'x'", "tags.a = 5", "name = 5", "run_id = 5",
            "name > 'x'", "version = 5", "stage = 'x'", "creation_timestamp > 5", "attribute.name = 'x'", "metrics.a > 1", "name = 'x' OR name = 'y'"]
LOGGED = ["", "name = 'x'", "name != 'x'", "name LIKE '%x'", "name ilike 'X%'", "name IN ('a', 'b')", "name NOT IN ('a')", "attributes.name = 'x'",
          "model_type = 'sklearn'", "source_run_id = 'x'", "model_id IN ('a')", "creation_timestamp > 5", "creation_time >= 5.5",
          "last_updated_timestamp < 7", "metrics.a > 1", "metrics.a = -1e3", "metrics.`a b` <= 0.5", "metrics.a LIKE 'x'", "metrics.a IN (1)",
          "params.lr = '0.1'", "params.lr = 0.1", "params.lr != 'x'", "params.a > 'x'", "params.a IN ('x', 'y')", "tags.a = 'x'", "tags.a LIKE '%x'",
          "tags.a >= 'x'", "metrics.a > 1 AND params.b = 'x'", "metrics.a > 1 OR params.b = 'x'", "metrics.a > 1; metrics.b > 2", "name IS NULL",
          "metric.a > 1", "datasets.name = 'x'", "run.a = 'x'", "name", "(name = 'x')", "name = 'x' AND"]
TRACES = ["", "status = 'OK'", "trace.status = 'OK'", "attributes.status != 'OK'", "status IN ('OK', 'ERROR')", "status NOT IN ('OK')", "status = 5",
          "timestamp > 5", "timestamp_ms >= 5", "trace.timestamp_ms < 5", "attribute.timestamp = 5", "timestamp = 'x'", "timestamp > 5.5",
          "execution_time > 5", "execution_time_ms <= 5", "trace.end_time > 5", "end_time_ms > 5", "request_id = 'x'", "request_id IN ('a')",
          "client_request_id = 'x'", "client_request_id LIKE 'a%'", "client_request_id RLIKE '^a'", "name = 'x'", "trace.name LIKE 'x%'",
          "run_id = 'x'", "attributes.run_id = 'x'", "prompt = 'p/1'", "trace.text LIKE '%x%'", "trace.text ILIKE '%x%'", "trace.text = 'x'",
          "tags.a = 'x'", "tag.a != 'x'", "tags.`a b` LIKE 'x'", "tags.a RLIKE '^x'", "tags.a IS NULL", "tags.a IS NOT NULL", "tags.a > 'x'",
          "tags.a = 5", "metadata.a = 'x'", "request_metadata.a LIKE 'x'", "metadata.`mlflow.x` = 'y'", "metadata.a IS NULL", "metadata.a = 5",
          "metadata.a > 'x'", "span.name = 'x'", "span.type = 'LLM'", "span.status != 'OK'", "span.type IN ('LLM', 'TOOL')", "span.content LIKE '%x%'",
          "span.content = 'x'", "span.attributes.model = 'x'", "span.attributes.a.b LIKE 'x'", "span.foo = 'x'", "span.name > 'x'",
          "span.attributes.model RLIKE 'x'", "span.name = 5", "feedback.ok = 'true'", "feedback.score > 0.5", "feedback.score <= 5",
          "feedback.score = 5", "feedback.score > 'x'", "feedback.ok LIKE 'x'", "feedback.ok IS NULL", "expectation.a = 'x'", "expectation.a != 'x'",
          "expectation.a IS NOT NULL", "feedback.ok IN ('x')", "issue.id = 'x'", "issue.id != 'x'", "issue.name = 'x'", "metrics.a > 1",
          "foo = 'x'", "foo.a = 'x'", "status = 'OK' AND timestamp > 5", "timestamp > 5 AND status = 'OK'", "status = 'OK' OR status = 'ERROR'",
          "timestamp_ms > 5 AND timestamp_ms < 10 AND tags.a = 'b'", "execution_time = 'x'", "status > 'A'", "name RLIKE 'x'"]

RUN_ORDERS = ["metrics.a", "metrics.a ASC", "metrics.a DESC", "metrics.a desc", "metrics.`a b` DESC", "metrics.\"a b\" asc", "metrics.`a b`",
              "params.x", "param.x DESC", "tags.t ASC", "start_time DESC", "attribute.start_time", "attributes.status DESC", "run.end_time",
              "created DESC", "Created", "run_id", "run_name", "user_id ASC", "artifact_uri", "`start_time` DESC", "run name", "attribute.`run name`",
              "name", "foo DESC", "foo.bar", "metrics.a foo", "metrics.a desc foo", "metrics.a DESC DESC", "", " ", "metrics.a ", " metrics.a", "metrics.a, metrics.b",
              "metrics.a DESC NULLS LAST", "metrics.a; params.b", "5", "'x'", "metrics.a > 1", "dataset.name", "timestamp", "metrics.mlflow.x.y DESC",
              "metrics.a  DESC", "(metrics.a)", "metrics.a-b", "experiment_id", "lifecycle_stage"]
EXPERIMENT_ORDERS = ["name", "name DESC", "experiment_id ASC", "creation_time", "last_update_time DESC", "attribute.name", "tags.a", "foo", "name foo", "metrics.a"]
MODEL_ORDERS = ["name", "name DESC", "timestamp", "timestamp DESC", "last_updated_timestamp ASC", "creation_timestamp", "foo", "tags.a", "name foo", "`name`"]
VERSION_ORDERS = ["name", "version_number DESC", "creation_timestamp", "last_updated_timestamp DESC", "foo", "tags.a", "run_id", "name foo", "version"]
TRACE_ORDERS = ["timestamp", "timestamp DESC", "timestamp_ms", "timestamp_ms ASC", "execution_time DESC", "status", "request_id", "name", "run_id",
                "tags.a DESC", "metadata.a", "experiment_id", "foo", "span.name", "prompt", "trace.timestamp DESC"]


def sorted_sets(message):
    def ordered(match):
        return "{" + ", ".join(sorted(match.group(1).split(", "))) + "}"
    return re.sub(r"\{('[^'{}]*'(?:, '[^'{}]*')*)\}", ordered, message)


def plain(value):
    if isinstance(value, (tuple, list)):
        return list(value)
    return value


class Real:
    """The real stores, with an answer for each target."""

    def __init__(self, folder):
        uri = f"sqlite:///{folder}/mlflow.db"
        self.tracking = SqlAlchemyStore(uri, str(folder))
        self.registry = RegistryStore(uri)

    def search(self, target, text, order_by):
        if target == "runs":
            self.tracking.search_runs(["0"], text, mlflow.entities.ViewType.ALL, 10, order_by)
        elif target == "experiments":
            self.tracking.search_experiments(mlflow.entities.ViewType.ALL, 10, text, order_by)
        elif target == "models":
            self.registry.search_registered_models(text, 10, order_by)
        elif target == "versions":
            self.registry.search_model_versions(text, 10, order_by)
        elif target == "logged":
            self.tracking.search_logged_models(["0"], text)
        else:
            self.tracking.search_traces(experiment_ids=["0"], filter_string=text, max_results=10, order_by=order_by)

    @staticmethod
    def clauses(target, text):
        if target == "logged":
            return [{"type": c.entity.type.value, "key": c.entity.key, "comparator": c.op, "value": plain(c.value)} for c in parse_filter_string(text)]
        parse = {"runs": SearchUtils.parse_search_filter, "experiments": SearchExperimentsUtils.parse_search_filter,
                 "models": SearchModelUtils.parse_search_filter, "versions": SearchModelVersionUtils.parse_search_filter,
                 "traces": SearchTraceUtils.parse_search_filter_for_search_traces}[target]
        result = []
        for clause in parse(text):
            value = plain(clause["value"])
            if clause["type"] == "metric":
                value = float(value)
            key = SearchUtils.translate_key_alias(clause["key"]) if target == "runs" and clause["type"] == "attribute" else clause["key"]
            if key in ("version_number", "creation_time", "last_update_time") and clause["type"] == "attribute":
                value = int(value)
            result.append({"type": clause["type"], "key": key, "comparator": clause["comparator"].upper(), "value": value})
        return result

    @staticmethod
    def order(target, text):
        if target == "models":
            key, ascending = SearchUtils.parse_order_by_for_search_registered_models(text)
            kind = "attribute"
            key = "last_updated_timestamp" if key == "timestamp" else key
        else:
            kind, key, ascending = {"runs": SearchUtils.parse_order_by_for_search_runs,
                                    "experiments": SearchExperimentsUtils.parse_order_by_for_search_experiments,
                                    "versions": SearchModelVersionUtils.parse_order_by_for_search_model_versions,
                                    "traces": SearchTraceUtils.parse_order_by_for_search_traces}[target](text)
            if target == "runs" and kind == "attribute":
                key = SearchUtils.translate_key_alias(key)
        return {"type": kind, "key": key, "ascending": ascending}

    def case(self, target, text, is_order):
        case = {"target": target, "order" if is_order else "filter": text}
        try:
            self.search(target, None if is_order else text, [text] if is_order else [])
            case["parsed"] = self.order(target, text) if is_order else self.clauses(target, text)
        except MlflowException as error:
            if error.error_code == "INTERNAL_ERROR" or error.message.startswith("(sqlite3."):
                case["internal_error"] = ""
            else:
                case["refused"] = sorted_sets(error.message)
        except Exception:
            # MLflow answers 500 here; ours is a refusal in words of its own.
            case["internal_error"] = ""
        return case


def main():
    with tempfile.TemporaryDirectory() as folder:
        real = Real(folder)
        cases = [real.case(target, text, False) for target, texts in
                 [("runs", RUNS), ("experiments", EXPERIMENTS), ("models", MODELS), ("versions", VERSIONS), ("logged", LOGGED), ("traces", TRACES)]
                 for text in dict.fromkeys(texts)]
        cases += [real.case(target, text, True) for target, texts in
                  [("runs", RUN_ORDERS), ("experiments", EXPERIMENT_ORDERS), ("models", MODEL_ORDERS), ("versions", VERSION_ORDERS),
                   ("traces", TRACE_ORDERS)]
                  for text in dict.fromkeys(texts)]
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, sort_keys=True) for case in cases)
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text(f'{{"mlflow": "{mlflow.__version__}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases, {sum('refused' in case for case in cases)} refused, "
          f"{sum('internal_error' in case for case in cases)} internal errors: {path}")


if __name__ == "__main__":
    main()
