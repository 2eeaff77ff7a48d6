# SPDX-License-Identifier: Apache-2.0
"""Access control through MLflow's own clients: AuthServiceClient of this release, and the tracking client with password and token.

Answers mlflow's tests/server/auth/test_client.py and test_auth.py, case by case in our words.
"""

import contextlib
import pathlib
import shlex
import subprocess
import sys
import types

import millrace
import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from helpers import AUTH

# The package itself is the server and wants packages that only a server needs; its client does not.
package = types.ModuleType("mlflow.server.auth")
package.__path__ = [str(pathlib.Path(mlflow.__file__).parent / "server/auth")]
sys.modules["mlflow.server.auth"] = package
from mlflow.server.auth.client import AuthServiceClient  # noqa: E402


def make_user(workspace, name, password, *flags):
    return subprocess.run([millrace.BINARY, "users", "create", name, *flags, "--workspace", workspace], input=password + "\n", text=True,
                          capture_output=True, cwd=workspace.parent, timeout=60, check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("access") / "workspace"
    for name, flags in (("root", ["--admin"]), ("ann", []), ("bob", [])):
        done = make_user(workspace, name, f"{name}'s password", *flags)
        assert done.returncode == 0, done.stderr
    with millrace.Server("--workspace", workspace, "--auth", "on") as running:
        running.workspace = workspace
        yield running


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def signed_in(monkeypatch):
    @contextlib.contextmanager
    def signed_in_as(name, password=None):
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_USERNAME", name)
            patch.setenv("MLFLOW_TRACKING_PASSWORD", password or f"{name}'s password")
            yield
    return signed_in_as


@contextlib.contextmanager
def refused(error_code, words):
    with pytest.raises(MlflowException, match=words) as error:
        yield
    assert error.value.error_code == error_code


def unauthenticated():
    return refused("UNAUTHENTICATED", "You are not authenticated.")


def denied():
    return refused("PERMISSION_DENIED", "Permission denied")


@pytest.mark.answers(f"{AUTH}::test_authenticate")
def test_nobody_gets_in_without_a_name(server, signed_in):
    client = MlflowClient(server.url)
    with unauthenticated():
        client.search_experiments()
    with signed_in("ann", "wrong"), unauthenticated():
        client.search_experiments()
    with signed_in("ann"):
        assert client.search_experiments()
    status, _, headers = server.request("GET", "/api/2.0/mlflow/experiments/search?max_results=1")
    assert status == 401 and headers["WWW-Authenticate"] == 'Basic realm="mlflow"'


@pytest.mark.answers(f"{AUTH}::test_validate_username_and_password")
def test_users_are_made_changed_and_deleted_by_administrators(server, signed_in):
    auth = AuthServiceClient(server.url)
    for action in (lambda: auth.create_user("eva", "eva's password"), lambda: auth.get_user("root"), lambda: auth.update_user_password("root", "root's password"),
                   lambda: auth.update_user_admin("bob", True), lambda: auth.delete_user("root")):
        with unauthenticated():
            action()
        with signed_in("bob"), denied():
            action()
    with signed_in("root"):
        user = auth.create_user("eva", "first password")
        assert (user.username, user.is_admin) == ("eva", False)
        with refused("RESOURCE_ALREADY_EXISTS", "already exists"):
            auth.create_user("eva", "eva's password")
        with refused("INVALID_PARAMETER_VALUE", "Password must be at least 12 characters."):
            auth.create_user("kim", "short")
        auth.update_user_password("eva", "second password")
        auth.update_user_admin("eva", True)
        assert auth.get_user("eva").is_admin is True
    with signed_in("eva", "first password"), unauthenticated():
        auth.get_user("eva")
    with signed_in("eva", "second password"):
        assert auth.get_user("root").is_admin is True
        with refused("INVALID_PARAMETER_VALUE", "Users cannot delete their own account"):
            auth.delete_user("eva")
    with signed_in("root"):
        auth.delete_user("eva")
    with signed_in("root"), refused("RESOURCE_DOES_NOT_EXIST", "User with username=eva not found"):
        auth.get_user("eva")


def test_permissions_are_given_and_taken_back(server, signed_in):
    auth, client = AuthServiceClient(server.url), MlflowClient(server.url)
    with signed_in("ann"):
        experiment = client.create_experiment("grants")
        run = client.create_run(experiment).info.run_id
    with signed_in("bob"):
        assert client.get_run(run).info.run_id == run
        with denied():
            client.log_metric(run, "loss", 1)
        with denied():
            auth.grant_user_permission("bob", "experiment", experiment, "MANAGE")
    with signed_in("ann"):
        auth.grant_user_permission("bob", "experiment", experiment, "EDIT")
    with signed_in("bob"):
        assert auth.get_user_permission("bob", "experiment", experiment).permission == "EDIT"
    with signed_in("bob"):
        client.log_metric(run, "loss", 1)
        with denied():
            client.delete_run(run)
    with signed_in("ann"):
        auth.revoke_user_permission("bob", "experiment", experiment)
    with signed_in("root"):
        assert auth.get_user_permission("bob", "experiment", experiment).allowed is False
    with signed_in("bob"), denied():
        client.log_metric(run, "loss", 2)


# MLflow up to 3.16 has routes of their own for each kind of resource.
@pytest.mark.parametrize("kind, field", [("experiments", "experiment_id"), ("registered-models", "name")])
def test_older_clients_permissions(server, kind, field):
    def ask(method, action, who, **body):
        body = {field: f"thing-{kind}", "username": "bob", **body}
        where = {"params": body} if method == "get" else {"json": body}
        return requests.request(method, f"{server.url}/api/2.0/mlflow/{kind}/permissions/{action}", auth=(who, f"{who}'s password"), timeout=30, **where)

    assert ask("post", "create", "bob", permission="READ").status_code == 403
    made = ask("post", "create", "root", permission="READ")
    assert made.status_code == 200
    (grant,) = made.json().values()
    assert grant[field] == f"thing-{kind}" and grant["permission"] == "READ"
    assert ask("post", "create", "root", permission="READ").json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert ask("patch", "update", "root", permission="EDIT").status_code == 200
    (grant,) = ask("get", "get", "root").json().values()
    assert grant["permission"] == "EDIT"
    assert ask("delete", "delete", "root").status_code == 200
    gone = ask("get", "get", "root")
    assert gone.status_code == 404 and gone.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert ask("post", "create", "root", permission="OWNER").status_code == 400


def pages(search, **arguments):
    found, token = [], None
    while True:
        page = search(max_results=2, page_token=token, **arguments)
        found += page
        token = page.token
        if not token:
            return found
        assert len(page) == 2


@pytest.mark.answers(f"{AUTH}::test_search_experiments", f"{AUTH}::test_search_registered_models",
                     f"{AUTH}::test_search_runs")
def test_searches_show_only_what_may_be_read(server, signed_in):
    auth, client = AuthServiceClient(server.url), MlflowClient(server.url)
    readable = [0, 3, 4, 5, 6, 8]
    with signed_in("ann"):
        experiments = [client.create_experiment(f"seen-{i}") for i in range(10)]
        for i, experiment in enumerate(experiments):
            client.create_run(experiment)
            client.create_logged_model(experiment_id=experiment)
            client.create_registered_model(f"seen-{i}")
    for i in set(range(10)) - set(readable):
        for kind, field, value in (("experiments", "experiment_id", experiments[i]), ("registered-models", "name", f"seen-{i}")):
            requests.post(f"{server.url}/api/2.0/mlflow/{kind}/permissions/create", auth=("ann", "ann's password"), timeout=30,
                          json={field: value, "username": "bob", "permission": "NO_PERMISSIONS"}).raise_for_status()
    for who, expected in (("ann", list(range(10))), ("bob", readable)):
        with signed_in(who):
            names = [f"seen-{i}" for i in expected]
            found = pages(client.search_experiments, filter_string="name LIKE 'seen-%'", order_by=["name ASC"])
            assert [experiment.name for experiment in found] == names
            found = pages(client.search_registered_models, filter_string="name LIKE 'seen-%'", order_by=["name ASC"])
            assert [model.name for model in found] == names
            assert len(pages(client.search_runs, experiment_ids=experiments)) == len(expected)
            assert len(pages(client.search_logged_models, experiment_ids=experiments)) == len(expected)
    with signed_in("bob"):
        with denied():
            client.get_experiment(experiments[1])
        with denied():
            client.get_registered_model("seen-1")
        assert auth.get_user_permission("bob", "experiment", experiments[0]).permission == "READ"


@pytest.mark.answers(f"{AUTH}::test_logged_model", f"{AUTH}::test_search_logged_models")
def test_logged_models_belong_to_their_experiment(server, signed_in):
    client = MlflowClient(server.url)
    with signed_in("ann"):
        experiment = client.create_experiment("models")
        model = client.create_logged_model(experiment_id=experiment)
        client.set_logged_model_tags(model.model_id, {"key": "value"})
    with signed_in("bob"):
        assert client.get_logged_model(model.model_id).tags == {"key": "value"}
        for action in (lambda: client.set_logged_model_tags(model.model_id, {"key": "other"}),
                       lambda: client.delete_logged_model_tag(model.model_id, "key"), lambda: client.delete_logged_model(model.model_id)):
            with denied():
                action()


@pytest.mark.answers(f"{AUTH}::test_register_and_delete_scorer", f"{AUTH}::test_scorer_permission_denial", f"{AUTH}::test_scorer_read_permission")
def test_scorers_belong_to_who_registers_them(server, signed_in):
    auth = AuthServiceClient(server.url)
    with signed_in("ann"):
        scorer = {"experiment_id": MlflowClient(server.url).create_experiment("scored"), "name": "s"}
    path = f"{server.url}/api/3.0/mlflow/scorers"

    def ask(who, method, action, **options):
        return requests.request(method, f"{path}/{action}", auth=(who, f"{who}'s password"), timeout=30, **options)

    def permissions_of_ann():
        path = f"{server.url}/api/3.0/mlflow/users/permissions/list"
        return requests.get(path, params={"username": "ann"}, auth=("root", "root's password"), timeout=30).text

    assert ask("bob", "POST", "register", json={**scorer, "serialized_scorer": "{}"}).status_code == 403
    ask("ann", "POST", "register", json={**scorer, "serialized_scorer": "{}"}).raise_for_status()
    subject = f"{scorer['experiment_id']}/s"
    for who, permission in (("ann", "MANAGE"), ("bob", "READ")):
        with signed_in(who):
            assert auth.get_user_permission(who, "scorer", subject).permission == permission
    assert ask("bob", "GET", "get", params=scorer).json()["scorer"]["scorer_name"] == "s"
    assert ask("bob", "DELETE", "delete", json=scorer).status_code == 403
    with signed_in("ann"):
        auth.grant_user_permission("bob", "scorer", subject, "DENY")
    assert ask("bob", "GET", "get", params=scorer).status_code == 403
    assert subject in permissions_of_ann()
    ask("ann", "DELETE", "delete", json=scorer).raise_for_status()
    assert ask("ann", "GET", "get", params=scorer).status_code == 404
    assert subject not in permissions_of_ann()


@pytest.mark.answers(f"{AUTH}::test_create_and_delete_registered_model")
def test_models_belong_to_who_registers_them(server, signed_in):
    client = MlflowClient(server.url)
    with signed_in("ann"):
        client.create_registered_model("owned")
    with signed_in("bob"):
        with denied():
            client.set_registered_model_tag("owned", "k", "v")
        with denied():
            client.delete_registered_model("owned")
    with signed_in("ann"):
        with refused("RESOURCE_ALREADY_EXISTS", "owned"):
            client.create_registered_model("owned")
        client.delete_registered_model("owned")
    with signed_in("bob"):
        client.create_registered_model("owned")
        client.delete_registered_model("owned")


@pytest.mark.answers(f"{AUTH}::test_proxy_log_artifacts")
def test_artifacts_belong_to_their_experiment(server, signed_in, tmp_path):
    client = MlflowClient(server.url)
    file = tmp_path / "123456.txt"
    file.write_text("secret")
    with signed_in("ann"):
        experiment = client.create_experiment("artifacts")
        run = client.create_run(experiment).info.run_id
        client.log_artifact(run, file)
    with signed_in("bob"):
        assert [entry.path for entry in client.list_artifacts(run)] == ["123456.txt"]
        with pytest.raises(Exception, match="Permission denied|403"):
            client.log_artifact(run, file)
    with signed_in("root"):
        requests.post(f"{server.url}/api/2.0/mlflow/experiments/permissions/create", auth=("root", "root's password"), timeout=30,
                      json={"experiment_id": experiment, "username": "bob", "permission": "NO_PERMISSIONS"}).raise_for_status()
    with signed_in("bob"):
        with denied():
            client.list_artifacts(run)
        with pytest.raises(Exception, match="Permission denied|403"):
            mlflow.artifacts.download_artifacts(artifact_uri=f"mlflow-artifacts:/{experiment}/{run}/artifacts/123456.txt",
                                                tracking_uri=server.url, dst_path=str(tmp_path / "stolen"))


def test_token_of_the_command_line_lets_in(server, monkeypatch):
    done = millrace.run("users", "token", "ann", "--label", "ci", "--days", "1", "--workspace", server.workspace, check=True)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", done.stdout.strip())
    client = MlflowClient(server.url)
    experiment = client.create_experiment("by token")
    assert client.get_experiment(experiment).name == "by token"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", done.stdout.strip()[:-1] + "x")
    with unauthenticated():
        client.get_experiment(experiment)


def test_other_addresses_need_access_control(tmp_path):
    workspace = tmp_path / "workspace"
    refused_start = millrace.run("serve", "--host", "0.0.0.0", "--port", "0", "--workspace", workspace, cwd=tmp_path)
    assert refused_start.returncode == 5
    assert "--insecure" in refused_start.stderr and "millrace users create" in refused_start.stderr
    alone = millrace.run("serve", "--port", "0", "--workspace", workspace, "--auth", "on", cwd=tmp_path)
    assert alone.returncode == 5 and "there are no users" in alone.stderr
    with millrace.Server("--workspace", workspace, "--host", "0.0.0.0", "--insecure") as open_to_all:
        port = open_to_all.url.rsplit(":", 1)[1]
        assert MlflowClient(f"http://127.0.0.1:{port}").search_experiments()


def test_passwords_come_from_standard_input_only(tmp_path):
    workspace = tmp_path / "workspace"
    assert make_user(workspace, "eva", "").returncode == 2
    assert make_user(workspace, "eva", "sesame").returncode == 0
    assert make_user(workspace, "eva", "sesame").returncode == 4
    listed = millrace.run_json("users", "list", "--workspace", workspace)
    assert listed == [{"id": 1, "is_admin": False, "username": "eva"}]
    assert b"sesame" not in (workspace / "metadata.db").read_bytes()


def test_commands_of_the_guide(tmp_path):
    guide = pathlib.Path(__file__).resolve().parents[2] / "docs/guide/access_control.md"
    for name, flags in (("root", ["--admin"]), ("ann", [])):
        assert make_user(tmp_path / "tracking", name, f"{name}'s password", *flags).returncode == 0
    lines = [line for line in guide.read_text().splitlines() if line.startswith(("millrace users", "millrace roles"))]
    assert len(lines) == 8
    shown = {line: millrace.run(*shlex.split(line)[1:], cwd=tmp_path, check=True).stdout for line in lines}
    assert "EDIT" in shown["millrace users permissions ann --workspace tracking"]
    listed = millrace.run_json("roles", "list", "--workspace", tmp_path / "tracking")
    assert listed == [{"role": "editors", "description": "who train", "users": ["ann"],
                       "permissions": [{"resource_type": "experiment", "resource_id": "*", "permission": "EDIT"},
                                       {"resource_type": "prompt", "resource_id": "*", "permission": "DENY"}]}]
    for command, said in ((("roles", "revoke", "editors", "--every", "prompt"), "editors has nothing on every prompt"),
                          (("roles", "unassign", "editors", "ann"), "ann has the role editors no more"),
                          (("roles", "delete", "editors"), "role editors deleted"),
                          (("roles", "list"), "no roles yet")):
        assert said in millrace.run(*command, "--workspace", tmp_path / "tracking", check=True).stdout
    for command, code, said in ((("roles", "delete", "editors"), 3, 'there is no role "editors"'),
                                (("roles", "create", "__user_1__"), 2, "reserved"),
                                (("users", "grant", "ann", "EDIT"), 2, "one of --experiment, --model, --prompt and --every"),
                                (("users", "grant", "ann", "READ", "--every", "workspace"), 2, "Workspace-wide grants accept only")):
        failed = millrace.run(*command, "--workspace", tmp_path / "tracking")
        assert failed.returncode == code and said in failed.stderr
