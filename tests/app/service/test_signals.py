"""What heads do, as metrics: only where it is wanted, only a sample, and never in anybody's way."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.signals import HEADS, HeadSignals
from heedmap.app.settings import Settings
from heedmap.model.trace.trace import Trace
from tests.app.conftest import PARAMETERS, TEXT

BODY = {"inputs": TEXT, "parameters": PARAMETERS}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_heads_of_a_recorded_trace_are_measured_as_the_heads_route_has_them(
    settings: Callable[..., Settings],
) -> None:
    app = create_app(settings(head_signals=1.0))
    with TestClient(app) as client:
        trace = client.post("/v1/traces", json=BODY).json()
        client.portal.call(finished, app.state.services.signals)  # type: ignore[union-attr]
        rows = client.get(f"/v1/traces/{trace['id']}/heads").json()["heads"]
        metrics = app.state.services.metrics
    assert value(metrics, "heedmap_head_signals_total", outcome="measured") == 1
    for row in rows:
        place = {"model": "tiny", **{name: str(row[name]) for name in ("site", "layer", "head")}}
        assert value(metrics, "heedmap_head_sink_sum", **place) == pytest.approx(row["sink"], abs=1e-5)
        assert value(metrics, "heedmap_head_entropy_nats_sum", **place) == pytest.approx(row["entropy"], abs=1e-4)
        assert value(metrics, "heedmap_head_sink_count", **place) == 1
    assert len(rows) > 2


async def finished(signals: HeadSignals) -> None:
    assert signals._task is not None
    await asyncio.wait_for(signals._task, 20)


def test_nothing_is_measured_unless_it_is_wanted(settings: Callable[..., Settings]) -> None:
    app = create_app(settings())
    with TestClient(app) as client:
        assert client.post("/v1/traces", json=BODY).status_code == 201
        assert app.state.services.signals._task is None
        assert "heedmap_head_sink_count{" not in client.get("/metrics").text


async def test_a_share_is_looked_at_and_nothing_while_somebody_waits(trace: Trace) -> None:
    lines = {name: Engine(queue=8, batch=8, deadline=20.0, name=name) for name in ("device", "tracing", "reading")}
    metrics, chances, go = Metrics(), iter([0.6, 0.4, 0.4]), threading.Event()
    signals = HeadSignals(0.5, lines, metrics, lambda: next(chances))
    for line in lines.values():
        line.start()
    try:
        signals.offer("tiny", trace)
        assert signals._task is None, "over the share"
        signals.offer("tiny", ValueError("what failed is no trace"))
        at_work = asyncio.ensure_future(lines["device"].run(go.wait))
        while not lines["device"].busy:
            await asyncio.sleep(0.001)
        signals.offer("tiny", trace)
        await finished(signals)
        assert value(metrics, "heedmap_head_signals_total", outcome="busy") == 1
        go.set()
        await at_work
        while lines["device"].busy:
            await asyncio.sleep(0.001)
        signals.offer("tiny", trace)
        await finished(signals)
        assert value(metrics, "heedmap_head_signals_total", outcome="measured") == 1
    finally:
        for line in lines.values():
            line.stop()


def test_the_series_of_heads_are_bounded() -> None:
    metrics = Metrics()
    signals = HeadSignals(1.0, {}, metrics)
    for layer in range(HEADS + 10):
        row: dict[str, Any] = {"site": "decoder", "layer": layer, "head": 0, "sink": 0.5, "entropy": 1.0}
        signals._keep("tiny", row)
    [family] = [family for family in metrics.registry.collect() if family.name == "heedmap_head_sink"]
    assert sum(sample.name.endswith("_count") for sample in family.samples) == HEADS
