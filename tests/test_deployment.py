"""What the Dockerfile, the compose file and the Kubernetes manifest promise."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from heedmap.app.http.startup import StartupError
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


def test_the_dockerfile_keeps_its_promises() -> None:
    by_stage = stages((ROOT / "Dockerfile").read_text())
    assert list(by_stage)[-1] == "cpu", "the last stage is what `docker build .` makes"
    for target in ("cpu", "cuda"):
        stage = by_stage[target]
        assert stage["USER"] == ["heedmap"]
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
    for name, service in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].items():
        assert "HEEDMAP_OPEN=${HEEDMAP_OPEN:-true}" in service["environment"], "its ports are this machine's alone"
        [hosts] = [line for line in service["environment"] if line.startswith("HEEDMAP_HOSTS=")]
        assert name in hosts.rpartition(":-")[2].rstrip("}").split(","), "how other containers call it"


def test_the_compose_file_keeps_its_promises() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    plain = [name for name, service in services.items() if not service.get("profiles")]
    assert plain == ["heedmap"], "`docker compose up` starts one service"
    gpu = next(service for service in services.values() if service.get("profiles") == ["gpu"])
    device = gpu["deploy"]["resources"]["reservations"]["devices"][0]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    targets = stages((ROOT / "Dockerfile").read_text())
    for service in services.values():
        assert service["build"]["target"] in targets
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        volume, _, place = service["volumes"][0].partition(":")
        assert volume in compose["volumes"]
        assert place == "/var/lib/heedmap/traces"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), (
            "reachable from elsewhere on purpose only"
        )


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
