# SPDX-License-Identifier: Apache-2.0
"""Roles through MLflow's own client of its basic-auth app, mlflow.server.get_app_client("basic-auth", uri), each method of it.

Answers the cases on roles of mlflow's tests/server/auth/test_auth.py and test_client.py in our words. With MLflow's own server, to see
that a case says what MLflow does (it wants flask-wtf):

    MILLRACE_ACCESS_COMMAND="third_party/pytest/bin/python tests/interop/real_access_server.py {data}" pytest tests/interop/test_access_roles.py
"""

import contextlib
import os
import pathlib
import re
import shlex
import subprocess
import sys
import types
import uuid

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
sys.modules.setdefault("mlflow.server.auth", package)
from mlflow.server import get_app_client  # noqa: E402

COMMAND = os.environ.get("MILLRACE_ACCESS_COMMAND")


def unique(stem):
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def password_of(name):
    return f"{name}'s password"


@contextlib.contextmanager
def started(folder):
    """A server with the administrator root, `millrace serve` or the one that MILLRACE_ACCESS_COMMAND starts."""
    if not COMMAND:
        made = subprocess.run([millrace.BINARY, "users", "create", "root", "--admin", "--workspace", folder], input=password_of("root") + "\n",
                              text=True, capture_output=True, timeout=60, check=False)
        assert made.returncode == 0, made.stderr
        with millrace.Server("--workspace", folder, "--auth", "on") as running:
            yield running.url
        return
    folder.mkdir()
    process = subprocess.Popen(shlex.split(COMMAND.format(data=folder)), stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if found := re.match(r"listening on (\S+)", line):
                yield found.group(1)
                break
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with started(tmp_path_factory.mktemp("roles") / "workspace") as address:
        yield address


@pytest.fixture(scope="module")
def auth(url):
    return get_app_client("basic-auth", url)


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def signed_in(monkeypatch):
    @contextlib.contextmanager
    def signed_in_as(name):
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_USERNAME", name)
            patch.setenv("MLFLOW_TRACKING_PASSWORD", password_of(name))
            yield
    return signed_in_as


@pytest.fixture
def root(signed_in):
    """All that the case does without saying who is done by the administrator."""
    with signed_in("root"):
        yield


@pytest.fixture
def user(auth, root):
    """`user("ann")` makes a user whose name begins so."""
    def make(stem):
        name = unique(stem)
        auth.create_user(name, password_of(name))
        return name
    return make


@pytest.fixture
def role(auth, root):
    """A role that gives nothing yet."""
    return auth.create_role("default", unique("role"))


@contextlib.contextmanager
def refused(error_code, words):
    with pytest.raises(MlflowException, match=re.escape(words)) as error:
        yield
    assert error.value.error_code == error_code


def denied():
    return refused("PERMISSION_DENIED", "Permission denied")


def of(permission):
    return (permission.resource_type, permission.resource_pattern, permission.permission)


def ask(url, method, path, who, **options):
    return requests.request(method, url + path, auth=(who, password_of(who)), timeout=60, allow_redirects=False, **options)


def test_each_method_of_the_client_is_used_here(auth):
    text = pathlib.Path(__file__).read_text()
    methods = [name for name in dir(type(auth)) if not name.startswith("_")]
    assert len(methods) >= 22
    assert [name for name in methods if f"auth.{name}(" not in text] == []


def test_users(auth, user, signed_in):
    ann = user("ann")
    made = auth.get_user(ann)
    assert (made.username, made.is_admin) == (ann, False)
    auth.update_user_admin(ann, True)
    assert auth.get_user(ann).is_admin is True
    auth.update_user_password(ann, "another password")
    with signed_in(ann), refused("UNAUTHENTICATED", "You are not authenticated."):
        auth.get_user(ann)
    with refused("INVALID_PARAMETER_VALUE", "Password must be at least 12 characters."):
        auth.update_user_password(ann, "short")
    auth.delete_user(ann)
    with refused("RESOURCE_DOES_NOT_EXIST", f"User with username={ann} not found"):
        auth.get_user(ann)


def test_own_password_needs_the_current_one(auth, user, signed_in):
    ann = user("ann")
    with signed_in(ann):
        with refused("INVALID_PARAMETER_VALUE", "Current password does not match."):
            auth.update_user_password(ann, "another password", current_password="wrong")
        with refused("INVALID_PARAMETER_VALUE", "New password must differ from the current password."):
            auth.update_user_password(ann, password_of(ann), current_password=password_of(ann))
        auth.update_user_password(ann, "another password", current_password=password_of(ann))
    with signed_in(ann), refused("UNAUTHENTICATED", "You are not authenticated."):
        auth.get_user(ann)


def test_role_is_made_changed_and_deleted(auth, root):
    name = unique("editors")
    made = auth.create_role("default", name, "who edit")
    assert (made.name, made.workspace, made.description, made.permissions) == (name, "default", "who edit", [])
    with refused("RESOURCE_ALREADY_EXISTS", f"Role (name={name}, workspace=default) already exists."):
        auth.create_role("default", name)
    assert auth.get_role(made.id).name == name
    other = auth.create_role(unique("elsewhere"), name)
    assert [each.id for each in auth.list_roles(other.workspace)] == [other.id]
    assert {made.id, other.id} <= {each.id for each in auth.list_all_roles()}
    changed = auth.update_role(made.id, name=unique("writers"))
    assert changed.description == "who edit" and changed.name.startswith("writers")
    assert auth.update_role(made.id, description="").description == ""
    with refused("INVALID_PARAMETER_VALUE", "At least one of 'name' or 'description' must be provided to update a role."):
        auth.update_role(made.id)
    with refused("RESOURCE_ALREADY_EXISTS", f"Role with name={changed.name} already exists in workspace=default"):
        auth.update_role(auth.create_role("default", name).id, name=changed.name)
    auth.delete_role(made.id)
    for action in (lambda: auth.get_role(made.id), lambda: auth.delete_role(made.id), lambda: auth.update_role(made.id, name="x"),
                   lambda: auth.list_role_permissions(made.id), lambda: auth.list_role_users(made.id)):
        with refused("RESOURCE_DOES_NOT_EXIST", f"Role with id={made.id} not found"):
            action()


@pytest.mark.parametrize(("name", "words"), [(" ", "Role name cannot be empty."), ("__user_7__", "Role name '__user_7__' uses the reserved")])
def test_names_that_roles_cannot_have(auth, role, name, words):
    with refused("INVALID_PARAMETER_VALUE", words):
        auth.create_role("default", name)
    with refused("INVALID_PARAMETER_VALUE", words):
        auth.update_role(role.id, name=name)


def test_permissions_of_a_role(auth, role):
    added = auth.add_role_permission(role.id, "experiment", "*", "EDIT")
    assert added.role_id == role.id and of(added) == ("experiment", "*", "EDIT")
    auth.add_role_permission(role.id, "registered_model", "churn", "DENY")
    assert sorted(map(of, auth.list_role_permissions(role.id))) == [("experiment", "*", "EDIT"), ("registered_model", "churn", "DENY")]
    assert sorted(map(of, auth.get_role(role.id).permissions)) == sorted(map(of, auth.list_role_permissions(role.id)))
    with refused("RESOURCE_ALREADY_EXISTS", f"Role permission (role_id={role.id}, resource_type=experiment, resource_pattern=*) already exists."):
        auth.add_role_permission(role.id, "experiment", "*", "READ")
    assert of(auth.update_role_permission(added.id, "READ")) == ("experiment", "*", "READ")
    auth.remove_role_permission(added.id)
    for action in (lambda: auth.remove_role_permission(added.id), lambda: auth.update_role_permission(added.id, "READ")):
        with refused("RESOURCE_DOES_NOT_EXIST", f"Role permission with id={added.id} not found"):
            action()


@pytest.mark.parametrize(("kind", "pattern", "permission", "words"), [
    ("thing", "*", "READ", "Invalid resource type 'thing'. Valid resource types are: ('assessment', 'experiment', 'gateway_endpoint', "),
    ("experiment", "*", "OWNER", "Invalid permission 'OWNER'. Valid permissions are: ('READ', 'USE', 'EDIT', 'MANAGE', 'NO_PERMISSIONS', 'DENY')"),
    ("experiment", "7", "NO_PERMISSIONS", "Invalid permission 'NO_PERMISSIONS' for resource_type='experiment'. Resource-level grants accept only: "
                                          "('DENY', 'EDIT', 'MANAGE', 'READ', 'USE')."),
    ("workspace", "*", "READ", "Invalid permission 'READ' for resource_type='workspace'. Workspace-wide grants accept only: ('MANAGE', 'USE')."),
    ("workspace", "default", "USE", "Invalid resource_pattern 'default' for resource_type='workspace'. This resource type supports only wildcard ('*') grants."),
    ("run", "abc", "READ", "Invalid resource_pattern 'abc' for resource_type='run'. This resource type supports only wildcard ('*') grants."),
])
def test_permissions_that_no_role_can_have(auth, role, kind, pattern, permission, words):
    with refused("INVALID_PARAMETER_VALUE", words):
        auth.add_role_permission(role.id, kind, pattern, permission)


@pytest.mark.parametrize("kind", ["gateway_secret", "gateway_endpoint", "gateway_model_definition", "mcp_server"])
def test_permissions_on_what_is_not_here_are_kept(auth, role, kind):
    auth.add_role_permission(role.id, kind, "x", "USE")
    assert list(map(of, auth.list_role_permissions(role.id))) == [(kind, "x", "USE")]


def test_roles_of_users(auth, user, role):
    ann = user("ann")
    assigned = auth.assign_role(ann, role.id)
    assert (assigned.user_id, assigned.role_id) == (auth.get_user(ann).id, role.id)
    with refused("RESOURCE_ALREADY_EXISTS", f"User role assignment (user_id={assigned.user_id}, role_id={role.id}) already exists"):
        auth.assign_role(ann, role.id)
    assert [each.id for each in auth.list_user_roles(ann)] == [role.id]
    assert [each.user_id for each in auth.list_role_users(role.id)] == [assigned.user_id]
    auth.unassign_role(ann, role.id)
    with refused("RESOURCE_DOES_NOT_EXIST", f"User role assignment (user_id={assigned.user_id}, role_id={role.id}) not found"):
        auth.unassign_role(ann, role.id)
    assert auth.list_user_roles(ann) == [] and auth.list_role_users(role.id) == []
    for action in (lambda: auth.assign_role("nobody", role.id), lambda: auth.list_user_roles("nobody")):
        with refused("RESOURCE_DOES_NOT_EXIST", "User with username=nobody not found"):
            action()


def test_own_permissions(auth, user, signed_in, url):
    ann, bob = user("ann"), user("bob")
    client = MlflowClient(url)
    with signed_in(ann):
        experiment = client.create_experiment(unique("own"))
        auth.grant_user_permission(bob, "experiment", experiment, "USE")
        with refused("RESOURCE_ALREADY_EXISTS", f"Permission for user={bob} on resource_type=experiment, resource_id={experiment} already exists."):
            auth.grant_user_permission(bob, "experiment", experiment, "EDIT")
        with denied():
            auth.get_user_permission(bob, "experiment", experiment)
    with signed_in(bob):
        found = auth.get_user_permission(bob, "experiment", experiment)
        assert (found.permission, found.allowed) == ("USE", True)
        for action in (lambda: auth.grant_user_permission(bob, "experiment", experiment, "MANAGE"),
                       lambda: auth.revoke_user_permission(ann, "experiment", experiment)):
            with denied():
                action()
    with signed_in(ann):
        auth.revoke_user_permission(bob, "experiment", experiment)
        with refused("RESOURCE_DOES_NOT_EXIST", f"Permission for user={bob} on resource_type=experiment, resource_id={experiment} not found."):
            auth.revoke_user_permission(bob, "experiment", experiment)
    found = auth.get_user_permission(bob, "experiment", experiment)
    assert (found.permission, found.allowed) == ("READ", False)
    own = auth.list_user_roles(ann)
    assert [each.name for each in own] == [f"__user_{auth.get_user(ann).id}__"]
    assert list(map(of, own[0].permissions)) == [("experiment", experiment, "MANAGE")]


@pytest.mark.parametrize("kind", ["workspace", "thing", "prompt", "run"])
def test_kinds_that_a_user_cannot_be_asked_about(auth, user, kind):
    ann = user("ann")
    words = {"workspace": "resource_type 'workspace' is not supported by the per-user permission convenience APIs.",
             "thing": "Invalid resource type 'thing'."}.get(kind, f"resource_type '{kind}' is not supported by the per-user permission convenience APIs.")
    with refused("INVALID_PARAMETER_VALUE", words):
        auth.get_user_permission(ann, kind, "x")


def test_roles_decide_what_their_users_may(auth, user, role, signed_in, url):
    ann, bob = user("ann"), user("bob")
    client = MlflowClient(url)
    with signed_in(ann):
        experiment = client.create_experiment(unique("shared"))
        run = client.create_run(experiment).info.run_id
    auth.assign_role(bob, role.id)
    with signed_in(bob), denied():
        client.log_metric(run, "loss", 1)
    given = auth.add_role_permission(role.id, "experiment", experiment, "EDIT")
    with signed_in(bob):
        client.log_metric(run, "loss", 1)
        with denied():
            client.delete_run(run)
    auth.update_role_permission(given.id, "MANAGE")
    with signed_in(bob):
        client.delete_run(run)
        client.restore_run(run)
    # A veto counts before what another role, or the user's own permission, gives.
    veto = auth.create_role("default", unique("veto"))
    auth.add_role_permission(veto.id, "experiment", experiment, "DENY")
    auth.assign_role(bob, veto.id)
    with signed_in(bob):
        with denied():
            client.get_experiment(experiment)
        assert experiment not in [each.experiment_id for each in client.search_experiments(max_results=1000)]
        assert client.search_runs([experiment]) == []
        assert auth.get_user_permission(bob, "experiment", experiment).permission == "DENY"
    auth.delete_role(veto.id)
    with signed_in(bob):
        assert client.get_run(run).info.run_id == run


def test_roles_elsewhere_give_nothing_here(auth, user, signed_in, url):
    ann = user("ann")
    elsewhere = auth.create_role(unique("elsewhere"), "admins")
    auth.add_role_permission(elsewhere.id, "workspace", "*", "MANAGE")
    auth.assign_role(ann, elsewhere.id)
    experiment = MlflowClient(url).create_experiment(unique("here"))
    with signed_in(ann):
        with denied():
            MlflowClient(url).set_experiment_tag(experiment, "k", "v")
        with denied():
            auth.create_role("default", unique("mine"))
        assert auth.create_role(elsewhere.workspace, "mine").workspace == elsewhere.workspace


def test_who_manages_the_workspace(auth, user, role, signed_in, url):
    ann, bob = user("ann"), user("bob")
    auth.assign_role(ann, role.id)
    with signed_in(ann):
        assert auth.get_role(role.id).id == role.id
        assert role.id in [each.id for each in auth.list_roles("default")]
        for action in (lambda: auth.add_role_permission(role.id, "workspace", "*", "MANAGE"), lambda: auth.list_role_users(role.id),
                       lambda: auth.assign_role(bob, role.id), lambda: auth.delete_role(role.id), lambda: auth.list_all_roles(),
                       lambda: auth.list_user_roles(bob), lambda: auth.create_user(unique("kim"), "kim's password")):
            with denied():
                action()
    auth.add_role_permission(role.id, "workspace", "*", "MANAGE")
    experiment = MlflowClient(url).create_experiment(unique("roots"))
    with signed_in(ann):
        MlflowClient(url).set_experiment_tag(experiment, "k", "v")
        made = auth.create_role("default", unique("mine"))
        auth.assign_role(bob, made.id)
        assert [each.id for each in auth.list_user_roles(bob)] == [made.id]
        auth.grant_user_permission(bob, "experiment", "*", "EDIT")
        assert auth.get_user_permission(bob, "experiment", experiment).permission == "EDIT"
        assert auth.create_user(unique("kim"), "kim's password").is_admin is False
        for action in (lambda: auth.delete_user(bob), lambda: auth.update_user_admin(ann, True)):
            with denied():
                action()
    with signed_in(bob), denied():
        auth.grant_user_permission(bob, "experiment", "*", "MANAGE")


def test_permissions_on_runs_count_before_those_on_their_experiment(auth, user, role, signed_in, url):
    ann, bob = user("ann"), user("bob")
    client = MlflowClient(url)
    with signed_in(ann):
        experiment = client.create_experiment(unique("parts"))
        run = client.create_run(experiment).info.run_id
    auth.assign_role(bob, role.id)
    given = auth.add_role_permission(role.id, "run", "*", "EDIT")
    with signed_in(bob):
        client.log_metric(run, "loss", 1)
        with denied():
            client.create_run(experiment)
        with denied():
            client.delete_run(run)
    auth.update_role_permission(given.id, "DENY")
    with signed_in(bob):
        with denied():
            client.get_run(run)
        assert client.get_experiment(experiment).experiment_id == experiment


def test_prompts_and_models_are_permitted_apart(auth, user, role, url):
    ann, bob = user("ann"), user("bob")
    prompt, model = unique("prompt"), unique("model")

    # The client's own methods tell prompts from models before they ask.
    def post(who, path, **body):
        return ask(url, "POST", f"/api/2.0/mlflow/registered-models/{path}", who, json=body).status_code

    assert post(ann, "create", name=prompt, tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}]) == 200
    assert post(ann, "create", name=model) == 200
    assert post(ann, "set-tag", name=prompt, key="k", value="v") == 200
    auth.assign_role(bob, role.id)
    auth.add_role_permission(role.id, "prompt", "*", "EDIT")
    assert post(bob, "set-tag", name=prompt, key="k", value="v") == 200
    assert post(bob, "set-tag", name=model, key="k", value="v") == 403


def test_permissions_listed_for_web_pages(auth, user, role, url):
    ann = user("ann")
    auth.assign_role(ann, role.id)
    auth.add_role_permission(role.id, "experiment", "*", "READ")
    row = {"role_id": role.id, "role_name": role.name, "workspace": "default", "resource_type": "experiment", "resource_pattern": "*",
           "permission": "READ"}
    for root in ("/api/3.0", "/ajax-api/3.0"):
        assert ask(url, "GET", f"{root}/mlflow/users/current/permissions", ann).json() == {"is_admin": False, "permissions": [row]}
        listed = ask(url, "GET", f"{root}/mlflow/users/permissions/list", "root", params={"username": ann})
        assert listed.json() == {"is_admin": False, "permissions": [row]}
    assert ask(url, "GET", "/api/3.0/mlflow/users/permissions/list", ann, params={"username": "root"}).status_code == 403
    for path in ("/api/2.0/mlflow/users/list", "/ajax-api/2.0/mlflow/users/list"):
        users = {each["username"]: each["roles"] for each in ask(url, "GET", path, ann).json()["users"]}
        assert users["root"] == [] and [each["id"] for each in users[ann]] == [role.id]
    assert ask(url, "GET", "/ajax-api/2.0/mlflow/users/current", ann).json()["user"]["username"] == ann


@pytest.mark.parametrize(("method", "path", "options", "words"), [
    ("GET", "get", {"params": {"role_id": "x"}}, "Parameter 'role_id' must be an integer. Got: 'x'"),
    ("GET", "get", {}, "Missing value for required parameter 'role_id'."),
    ("POST", "create", {"json": {"name": "x"}}, "Missing value for required parameter 'workspace'."),
    ("POST", "create", {"json": {"name": 7, "workspace": "default"}}, "Role name cannot be empty."),
    ("POST", "create", {"json": {"name": "x", "workspace": ""}}, "Workspace cannot be empty."),
    ("POST", "create", {"json": {"name": "x", "workspace": "w", "description": 3}}, "Role description must be a string or null."),
    ("POST", "create", {"data": "nonsense", "headers": {"Content-Type": "application/json"}}, "Missing value for required parameter 'name'."),
    ("PATCH", "update", {"json": {"role_id": [1], "name": "x"}}, "Parameter 'role_id' must be an integer. Got: [1]"),
    ("GET", "list", {"params": {"workspace": " "}}, "Parameter 'workspace' must be a non-empty string when provided."),
])
def test_bad_requests(url, root, method, path, options, words):
    answer = ask(url, method, f"/ajax-api/3.0/mlflow/roles/{path}", "root", **options)
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert answer.json()["message"].startswith(words)


@pytest.mark.answers(f"{AUTH}::test_create_user_ui", f"{AUTH}::test_create_user_from_ui_fails_without_csrf_token")
def test_signing_up(auth, user, role, url):
    ann, new = user("ann"), unique("new")
    assert requests.get(f"{url}/signup", timeout=60).status_code == 401
    assert ask(url, "GET", "/signup", ann).status_code == 403
    auth.assign_role(ann, role.id)
    auth.add_role_permission(role.id, "workspace", "*", "MANAGE")
    assert ask(url, "GET", "/signup", ann).status_code == 200
    with requests.Session() as session:  # MLflow keeps half of its token in a cookie
        session.auth = ("root", password_of("root"))
        page = session.get(f"{url}/signup", timeout=60)
        assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text).group(1)
        target = url + re.search(r'action="([^"]+)"', page.text).group(1)
        form = {"username": new, "password": password_of(new)}
        for bad in (form, {**form, "csrf_token": "0"}):
            answer = session.post(target, data=bad, timeout=60)
            assert answer.status_code == 400 and "The CSRF" in answer.text
        done = session.post(target, data={**form, "csrf_token": token}, timeout=60)
        assert done.status_code == 200 and f"Successfully signed up user: {new}" in done.text
        again = session.post(target, data={**form, "csrf_token": token}, timeout=60)
        assert again.status_code == 200 and f"Username has already been taken: {new}" in again.text
    assert auth.get_user(new).is_admin is False


def test_there_are_no_workspaces(url, root):
    for path in ("/api/3.0/mlflow/workspaces", "/ajax-api/3.0/mlflow/workspaces"):
        answer = ask(url, "GET", path, "root")
        assert answer.status_code == 503
        assert f"Endpoint: {path} disabled because the server is running without workspaces support." in answer.text
    assert ask(url, "GET", "/api/3.0/mlflow/workspaces/default/permissions", "root").status_code == 404
    assert ask(url, "GET", "/api/2.0/mlflow/workspace-permissions", "root").status_code == 404
