"""What the Dockerfile and the compose file promise."""

import re
from pathlib import Path
from typing import Any

import orjson
import yaml

from heedmap.app.settings import Settings

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
    for name, service in ours().items():
        assert "HEEDMAP_OPEN=${HEEDMAP_OPEN:-true}" in service["environment"], "its ports are this machine's alone"
        [hosts] = [line for line in service["environment"] if line.startswith("HEEDMAP_HOSTS=")]
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
    for name, service in ours().items():
        [port] = [v.partition("=")[2] for v in service["environment"] if v.startswith("HEEDMAP_METRICS_PORT=")]
        assert f"{name}:{port}" in targets
        assert not any(f":{port}" in published for published in service["ports"]), "it needs no key"
    assert len(targets) == len(ours())


def test_what_compose_passes_on_is_a_setting() -> None:
    known = {f"HEEDMAP_{name.upper()}" for name in Settings.model_fields} | {"HF_TOKEN"}
    for service in ours().values():
        assert {variable.partition("=")[0] for variable in service["environment"]} <= known


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
