"""`heedmap deploy`: what it refuses before anything is started, and the config that it writes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.http.startup import StartupError
from heedmap.app.service.primitives import VARIABLES
from heedmap.app.settings import Settings
from heedmap.model.errors import InputError
from tests.live import free_port
from tests.quiet_ray import Application, ServeDeploySchema, cluster

STORE = "s3://bucket/traces"
KEY = "a-key-of-16-letters-"


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No setting of whoever runs the tests."""
    import os

    for name in [name for name in os.environ if name.startswith("HEEDMAP_")]:
        monkeypatch.delenv(name)
    with monkeypatch.context() as patch:
        for name, value in dict(os.environ).items():
            patch.setenv(name, value)  # what the command changes is undone
        yield


def written(*arguments: str) -> dict[str, Any]:
    """The config that the command prints."""
    result = CliRunner().invoke(cli, ["deploy", "--write", "-", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    config: dict[str, Any] = yaml.safe_load(result.stdout)
    return config


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedmap.app.deploy.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'heedmap\[cluster\]'"):
        written("--traces", STORE)


def test_the_config_is_one_that_ray_takes_and_builds() -> None:
    config = written("--traces", STORE, "--replicas", "2", "--max-replicas", "6", "--cpus", "1.5", "--device", "cpu")
    [application] = ServeDeploySchema.model_validate(config).applications
    assert application.import_path == "heedmap.app.cluster:build"
    arguments = cluster.Cluster.model_validate(application.args)
    assert (arguments.min_replicas, arguments.max_replicas, arguments.cpus, arguments.gpus) == (2, 6, 1.5, 0)
    assert arguments.settings == {"traces": STORE, "device": "cpu"}
    built = cluster.build(arguments)
    assert isinstance(built, Application)


def test_replicas_follow_the_requests_that_wait() -> None:
    arguments = cluster.Cluster(min_replicas=2, max_replicas=6, settings={"traces": STORE, "batch": 8, "queue": 40})
    ingress = cluster.build(arguments)._bound_deployment
    replicas = ingress.init_args[1]._bound_deployment
    options = replicas._deployment_config
    scaling = options.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (2, 6, 8)
    assert options.max_ongoing_requests > scaling.target_ongoing_requests, "or it would never grow"
    assert options.max_queued_requests == 40
    variables = replicas.ray_actor_options["runtime_env"]["env_vars"]
    assert variables == {**VARIABLES, "OMP_NUM_THREADS": "1"}


def test_secrets_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEEDMAP_API_KEYS", KEY)
    config = written("--traces", STORE, "--host", "0.0.0.0")
    assert KEY not in json.dumps(config)
    assert config["http_options"]["host"] == "0.0.0.0"
    arguments = cluster.Cluster.model_validate(config["applications"][0]["args"])
    cluster.build(arguments)  # the keys are in the environment
    monkeypatch.delenv("HEEDMAP_API_KEYS")
    with pytest.raises(StartupError, match="no API keys are set"):
        cluster.build(arguments)


def test_each_replica_loads_what_it_is_asked_for_where_there_are_several_models() -> None:
    two = ["--model", "a=org/a", "--model", "b=org/b", "--traces", STORE]
    assert written(*two)["applications"][0]["args"]["settings"]["load"] == "first-use"
    assert written(*two, "--load", "start")["applications"][0]["args"]["settings"]["load"] == "start"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "traces: on several hosts"),
        (["--traces", "memory:///"], "memory:// is each process's own"),
        (["--traces", STORE, "--host", "0.0.0.0"], "no API keys are set"),
        (["--traces", STORE, "--device", "cuda", "--gpus", "0"], "--gpus 0.5"),
        (["--traces", STORE, "--replicas", "3", "--max-replicas", "2"], "max-replicas: 2 is under the 3"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(arguments: list[str], message: str) -> None:
    with pytest.raises(StartupError, match=message):
        written(*arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics_port": 9}, "metrics_port: replicas of one host"),
        ({"device": "cuda:1"}, "Ray deals out the GPUs"),
    ],
)
def test_settings_that_make_no_sense_for_replicas(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=message):
        cluster.check(Settings(traces=tmp_path, port=free_port(), **settings), 1.0, here=True)


def test_a_folder_of_this_machine_will_do_for_its_replicas(tmp_path: Path) -> None:
    cluster.check(Settings(port=free_port()), 0.0, here=True)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StartupError, match="cannot be made a folder"):
        cluster.check(Settings(traces=file, port=free_port()), 0.0, here=True)
