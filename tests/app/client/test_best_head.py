"""The terminal, here and through a service, chooses the head that the service names and so the page shows."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest

from heedmap.app.client.alignment import ask_service, run_here
from heedmap.app.client.api import Client
from heedmap.model import load

TEXTS = Path(__file__).parents[2] / "data" / "de-en" / "test.jsonl"
SENTENCES = [json.loads(line)["source"] for line in TEXTS.read_text(encoding="utf-8").splitlines()[:10]]


@pytest.fixture(autouse=True, scope="module")
def loaded_once() -> Iterator[None]:
    """`heedmap predict` is a process a sentence; here the model is loaded for the first and kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load", cache(load.load))
        yield


@pytest.mark.parametrize("text", SENTENCES)
def test_terminal_and_service_choose_the_same_head(client: Client, text: str) -> None:
    trace = client.trace(text)
    best = client.best_heads(trace)
    here = run_here(text, "de-en", None, {}, "cpu")
    assert here.prediction.text == trace.text
    assert here.choose(None, None) == best["cross"]
    assert set(best) == set(trace.sites)
    assert [best[name][0] for name in ("encoder", "decoder")] == [  # type: ignore[index]
        trace.sites[name].layers - 1 for name in ("encoder", "decoder")
    ]


def test_the_terminal_asks_a_service_for_the_best_head_and_looks_for_the_rest(client: Client, url: str) -> None:
    text = SENTENCES[1]
    there, here = ask_service(url, None, text, "de-en", None, {}), run_here(text, "de-en", None, {}, "cpu")
    best = client.best_heads(client.trace(text))["cross"]
    assert there.choose(None, None) == best == here.choose(None, None)
    assert best is not None
    assert there.choose(best[0], None) == best == there.choose(None, best[1])
    assert there.choose(0, None) == here.choose(0, None)


def test_the_best_heads_are_kept_and_described(client: Client, url: str) -> None:
    identifier = client.trace(SENTENCES[0]).id
    first, again = (httpx.get(f"{url}/v1/traces/{identifier}/heads").json() for _ in range(2))
    assert first == again
    described = httpx.get(f"{url}/openapi.json").json()["paths"]["/v1/traces/{id}/heads"]["get"]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == set(first)
    assert set(schema["properties"]["heads"]["items"]["properties"]) == set(first["heads"][0])
    assert set(first["best"]["cross"]) == {"layer", "head"}
