"""What the Dockerfile, the compose file and the Kubernetes manifest promise."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from heedmap.app.http.startup import StartupError
from heedmap.app.settings import Settings
from tests.live import environment
from tests.quiet_ray import Application, ServeDeploySchema, cluster

ROOT = Path(__file__).resolve().parent.parent


def stages(text: str) -> dict[str, dict[str, list[str]]]:
    """A Dockerfile's stages by name, each with the arguments of its instructions; continued lines are joined."""
    by_stage: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            parent, _, name = rest.partition(" AS ")
            current = by_stage[name] = {key: list(value) for key, value in by_stage.get(parent, {}).items()}
        current.setdefault(instruction, []).append(rest)
    return by_stage


DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")  # a variable of the compose file, with what it is unless set


def ours() -> dict[str, dict[str, Any]]:
    """The services of the compose file that are Heedmap's."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name: service for name, service in services.items() if "build" in service}


def test_the_dockerfile_keeps_its_promises() -> None:
    by_stage = stages((ROOT / "Dockerfile").read_text())
    assert list(by_stage)[-1] == "cpu", "the last stage is what `docker build .` makes"
    for target in ("cpu", "cuda"):
        stage = by_stage[target]
        assert stage["USER"][-1] == "heedmap"
        assert "/readyz" in stage["HEALTHCHECK"][0]
        assert stage["ENTRYPOINT"] == ['["heedmap"]']
        assert stage["CMD"] == ['["serve"]']
        assert any(f"--from={target}-packages" in line for line in stage["COPY"])
    assert all("slim" in line for line in by_stage["base"]["FROM"])
    assert not any("COPY" in stage for name, stage in by_stage.items() if name == "runtime"), "no sources in the image"


def test_the_dockerfiles_health_check_is_python_that_compiles() -> None:
    check = stages((ROOT / "Dockerfile").read_text())["cpu"]["HEALTHCHECK"][0].partition("CMD ")[2]
    program, flag, code = yaml.safe_load(check)
    assert (program, flag) == ("python", "-c")
    compile(code, "healthcheck", "exec")


def test_the_image_lets_nobody_in_unasked_and_the_compose_file_this_machine_alone() -> None:
    images = stages((ROOT / "Dockerfile").read_text())
    for target in ("cpu", "cuda"):
        variables = " ".join(images[target]["ENV"])
        assert "HEEDMAP_HOST=0.0.0.0" in variables
        assert "HEEDMAP_OPEN" not in variables
    for name, service in ours().items():
        assert service["environment"]["HEEDMAP_OPEN"] == "${HEEDMAP_OPEN:-true}", "its ports are this machine's alone"
        hosts = service["environment"]["HEEDMAP_HOSTS"]
        assert name in hosts.rpartition(":-")[2].rstrip("}").split(","), "how other containers call it"


def test_the_compose_file_keeps_its_promises() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = ours()
    everything = compose["services"]
    plain = [name for name, service in everything.items() if not service.get("profiles")]
    assert plain == ["heedmap"], "`docker compose up` starts one service"
    gpu = next(service for service in services.values() if service.get("profiles") == ["gpu"])
    device = gpu["deploy"]["resources"]["reservations"]["devices"][0]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    targets = stages((ROOT / "Dockerfile").read_text())
    for service in services.values():
        assert service["build"]["target"] in targets
        assert service["volumes"][0].partition(":")[2] == "/var/lib/heedmap/traces"
    for service in everything.values():
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        for volume in service["volumes"]:
            source = DEFAULT.sub(r"\1", volume).partition(":")[0]
            assert source in compose["volumes"] or (source.startswith("./") and (ROOT / source).exists()), volume
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), (
            "reachable from elsewhere on purpose only"
        )


def test_prometheus_reads_the_port_that_the_services_have_for_it() -> None:
    config = yaml.safe_load((ROOT / ".deploy" / "prometheus.yml").read_text())
    [targets] = [part["targets"] for job in config["scrape_configs"] for part in job["static_configs"]]
    alone = {name: service for name, service in ours().items() if service.get("profiles") != ["cluster"]}
    for name, service in alone.items():
        port = service["environment"]["HEEDMAP_METRICS_PORT"]
        assert f"{name}:{port}" in targets
        assert not any(f":{port}" in published for published in service["ports"]), "it needs no key"
    assert len(targets) == len(alone)
    assert "HEEDMAP_METRICS_PORT" not in ours()["heedmap-cluster"]["environment"], "its replicas share an address"


def test_what_compose_passes_on_is_a_setting() -> None:
    known = {f"HEEDMAP_{name.upper()}" for name in Settings.model_fields} | {"HF_TOKEN"}
    for service in ours().values():
        assert set(service["environment"]) <= known


def test_the_observers_are_pinned_and_grafana_finds_its_parts() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    observers = {name: service for name, service in services.items() if service.get("profiles") == ["observe"]}
    assert set(observers) == {"prometheus", "grafana"}
    assert all(re.search(r":v?\d+\.\d+\.\d+$", service["image"]) for service in observers.values())
    folder = ROOT / ".deploy" / "grafana"
    mounts = dict(volume.split(":")[:2] for volume in observers["grafana"]["volumes"])
    [source] = yaml.safe_load((folder / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((folder / "provisioning/dashboards/heedmap.yml").read_text())["providers"]
    assert provider["options"]["path"] == mounts["./.deploy/grafana/dashboards"]
    dashboard = orjson.loads((folder / "dashboards/heedmap.json").read_bytes())
    asked = [target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert set(asked) == {source["uid"]}


def test_the_cluster_profile_deploys_what_the_command_takes() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["heedmap-cluster"]
    assert service["profiles"] == ["cluster"]
    assert service["build"]["args"]["EXTRA"] == "cluster"
    command, *options = service["command"]
    assert command == "deploy"
    taken = subprocess.run(
        [sys.executable, "-m", "heedmap.app.cli", "deploy", *options, "--write", "-"],
        capture_output=True,
        text=True,
        env=environment() | {"HEEDMAP_TRACES": "s3://bucket/traces", "HEEDMAP_DEVICE": "cpu"},
    )
    assert taken.returncode == 0, taken.stderr
    [application] = ServeDeploySchema.model_validate(yaml.safe_load(taken.stdout)).applications
    assert (application.args["min_replicas"], application.args["max_replicas"]) == (2, 4)


def test_the_kuberay_manifest_keeps_its_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = yaml.safe_load((ROOT / ".deploy" / "kuberay.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayService")
    spec = manifest["spec"]["rayClusterConfig"]
    assert spec["authOptions"] == {"mode": "token"}
    [workers] = spec["workerGroupSpecs"]
    config = ServeDeploySchema.model_validate(yaml.safe_load(manifest["spec"]["serveConfigV2"]))
    [application] = config.applications
    assert application.args["max_replicas"] <= workers["maxReplicas"]
    for pod in (spec["headGroupSpec"]["template"]["spec"], workers["template"]["spec"]):
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"/tmp", "/var/lib/heedmap/traces"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        assert {"livenessProbe", "readinessProbe", "resources"} <= container.keys()
        assert container["image"] == "heedmap:cluster"
    ports = {port["containerPort"] for port in workers["template"]["spec"]["containers"][0]["ports"]}
    assert config.http_options.port in ports
    cores = float(workers["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert application.args["cpus"] <= cores, "a replica fits a pod"

    module, _, name = application.import_path.partition(":")
    build = getattr(import_module(module), name)
    arguments = cluster.Cluster.model_validate(application.args)
    with pytest.raises(StartupError, match="API keys"):
        build(arguments)
    monkeypatch.setenv("HEEDMAP_API_KEYS", "what-the-secret-holds")
    assert isinstance(build(arguments), Application)
