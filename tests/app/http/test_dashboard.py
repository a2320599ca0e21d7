"""Grafana's dashboard asks for what the service measures, and for all of it."""

import re
from collections.abc import Callable
from pathlib import Path

import orjson
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service.metrics import Metrics
from heedmap.app.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
PARTS = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}


def unknown(expression: str, labels: dict[str, set[str]]) -> set[str]:
    """The metrics of an expression that there are not, and the labels it groups by that none of its metrics has."""
    names = set(re.findall(r"heedmap_\w+", expression))
    grouped = {name.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for name in by.split(",")}
    has = set().union(*(labels.get(name, set()) for name in names))
    return (names - labels.keys()) | (grouped - has)


def test_the_dashboard_asks_for_what_the_service_measures(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings())) as client:
        client.get("/v1/models")
        families = list(text_string_to_metric_families(client.get("/metrics").text))
    collectors = Metrics().registry._names_to_collectors
    labels = {}
    for family in families:
        its = {name for sample in family.samples for name in sample.labels}  # of gauges, which the application adds
        declared = getattr(collectors.get(family.name), "_labelnames", its)
        for part in PARTS[family.type]:
            labels[family.name + part] = {*declared, *(["le"] if part == "_bucket" else []), "instance"}
    dashboard = orjson.loads((ROOT / ".deploy/grafana/dashboards/heedmap.json").read_bytes())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(expressions) > 20
    assert {expression: missing for expression in expressions if (missing := unknown(expression, labels))} == {}
    shown = {name for expression in expressions for name in re.findall(r"heedmap_\w+", expression)}
    told = [family.name for family in families if not family.name.endswith("_created")]  # when each began
    untold = {name for name in told if not any(re.fullmatch(name + r"(_\w+)?", one) for one in shown)}
    assert untold == set(), "what is measured is shown"
    assert unknown("sum by (colour) (rate(heedmap_nothing_total[5m]))", labels) == {"colour", "heedmap_nothing_total"}
