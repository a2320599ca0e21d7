"""The clients against the live service."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from heedmap.app.client.api import AsyncClient, Client
from heedmap.app.client.errors import APIError, BadRequest, NotFound
from heedmap.app.client.results import Answer, TraceSummary
from tests.app.client.conftest import TEXT

ROUNDING = 1e-5  # of float32: blocks of other shapes are summed in another order, before an exponential


@pytest.fixture(scope="module")
def trace(client: Client) -> TraceSummary:
    """A trace of the service's."""
    return client.trace(TEXT)


def test_predict_answers_with_the_maps_that_were_asked_for(client: Client) -> None:
    answer = client.predict(
        TEXT, attention=[{"site": "cross", "layer": -1, "head": "all"}, {"site": "encoder", "head": 0}]
    )
    assert "station" in answer.text
    cross, encoder = answer.attention
    source, target = answer.axes["source"].labels, answer.axes["target"].labels
    assert cross.weights.shape[1:] == (len(target), len(source))
    assert (cross.queries, cross.keys) == (target, source)
    np.testing.assert_allclose(cross.weights.sum(-1), 1, atol=1e-5)
    assert encoder.weights.shape == (len(source), len(source))
    assert encoder.title == "encoder · layer 5 · head 0"


def test_predict_passes_target_and_parameters_on(client: Client) -> None:
    greedy, beam = client.predict(TEXT), client.predict(TEXT, beam_size=4)
    scored = client.predict(TEXT, target="The cat is asleep.")
    assert scored.text == "The cat is asleep."
    assert (greedy.finish_reason, scored.finish_reason) == ("stop", None)
    assert client.predict(TEXT, max_new_tokens=2).finish_reason == "length"
    assert scored.prediction.score < greedy.prediction.score <= beam.prediction.score + 1e-4


def test_a_batch_keeps_its_order_and_each_its_own_problem(client: Client) -> None:
    first, second, third = client.predict_batch([TEXT, "", "Ich habe keine Zeit."])
    assert isinstance(first, Answer)
    assert first.text == client.predict(TEXT).text
    assert isinstance(second, BadRequest)
    assert second.field == "inputs.1"
    assert isinstance(third, Answer)
    assert "time" in third.text


def test_the_same_request_gives_the_same_trace(client: Client, trace: TraceSummary) -> None:
    again = client.trace(TEXT)
    assert (again.id, again.text) == (trace.id, trace.text)
    assert client.trace("Ich habe keine Zeit.").id != trace.id
    assert client.summary(trace.id).axes == trace.axes
    assert set(trace.sites) == {"encoder", "decoder", "cross"}
    assert trace.certificate["max_error"] < 1e-4


def test_a_map_is_what_the_trace_file_says(client: Client, trace: TraceSummary) -> None:
    offline = client.load(trace)
    for name, site in trace.sites.items():
        for layer in range(site.layers):
            exact = offline.map(name, layer).dense().numpy()
            assert exact.shape == (site.heads, *site.shape)
            np.testing.assert_allclose(client.map(trace, name, layer=layer, head="all").weights, exact, atol=ROUNDING)


def test_heads_are_picked_and_reduced(client: Client, trace: TraceSummary) -> None:
    every = client.map(trace, "cross", layer=-1, head="all").weights
    assert every.dtype == np.float32
    for head, expected in ((-1, every[-1]), ("mean", every.mean(0)), ("max", every.max(0))):
        np.testing.assert_allclose(client.map(trace, "cross", layer=-1, head=head).weights, expected, atol=ROUNDING)


def test_a_window_is_cut_from_the_map_with_its_labels(client: Client, trace: TraceSummary) -> None:
    whole = client.map(trace, "cross", head=0)
    window = client.map(trace.id, "cross", head=0, rows=(1, 3), cols=(2, 5))
    np.testing.assert_allclose(window.weights, whole.weights[1:3, 2:5], atol=ROUNDING)
    assert (window.rows, window.cols) == ((1, 3), (2, 5))
    assert window.queries == whole.queries[1:3]
    assert window.keys == whole.keys[2:5]


def test_heads_tell_of_every_head(client: Client, trace: TraceSummary) -> None:
    rows = client.heads(trace)
    assert len(rows) == sum(site.layers * site.heads for site in trace.sites.values())
    row = next(row for row in rows if (row["site"], row["layer"], row["head"]) == ("cross", 1, 3))
    weights = client.map(trace, "cross", layer=1, head=3).weights.astype(np.float64)
    entropy = -(weights * np.log(np.where(weights > 0, weights, 1))).sum(1).mean()
    assert row["entropy"] == pytest.approx(entropy, abs=1e-5)


def test_models_describe_themselves(client: Client) -> None:
    [model] = client.models()
    assert (model["name"], model["task"]) == ("de-en", "translation")
    assert model["parameter_count"] <= 12_000_000


def test_attention_of_ones_own_arrays(client: Client) -> None:
    # Scaled dot products 0 and ln 3: weights 1/4 and 3/4.
    queries, keys = np.array([[1.0, 0.0]]), np.array([[0.0, 9.0], [np.log(3) * np.sqrt(2), 0.0]])
    answer = client.attention(queries, keys, [[4.0], [8.0]])
    assert answer.weights is not None
    np.testing.assert_allclose(answer.weights, [[0.25, 0.75]], atol=1e-6)
    np.testing.assert_allclose(answer.output, [[7.0]], atol=1e-5)
    np.testing.assert_allclose(answer.lse, [np.log(4)], atol=1e-6)
    assert client.attention(queries, return_weights=False).weights is None


def test_downloads_are_whole_or_not_there(client: Client, trace: TraceSummary, tmp_path: Path) -> None:
    path = client.download(trace, tmp_path / "station.safetensors")
    with safe_open(path, framework="numpy") as file:
        assert file.get_tensor("cross.0.lse").shape == (8, trace.sites["cross"].shape[0])
    with pytest.raises(NotFound):
        client.download("0" * 32, tmp_path / "nothing.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["station.safetensors"]


def test_a_deleted_trace_is_gone(client: Client) -> None:
    trace = client.trace("Das Buch ist alt.")
    client.delete(trace)
    with pytest.raises(NotFound) as caught:
        client.summary(trace)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("site", "layer", "head", "rows", "status"),
    [
        ("nowhere", 0, 0, None, 404),
        ("cross", 99, 0, None, 422),
        ("cross", 0, 99, None, 422),
        ("cross", 0, 0, (0, 10_000), 422),
    ],
)
def test_maps_that_are_not_there(
    client: Client, trace: TraceSummary, site: str, layer: int, head: int, rows: tuple[int, int] | None, status: int
) -> None:
    with pytest.raises(APIError) as caught:
        client.map(trace, site, layer=layer, head=head, rows=rows)
    assert caught.value.status == status
    assert caught.value.field is not None


@pytest.mark.parametrize(
    ("arguments", "field"),
    [({"inputs": ""}, "inputs"), ({"inputs": "Ja.", "beam_size": 0}, "parameters.beam_size")],
)
def test_bad_requests_name_the_field(client: Client, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        client.predict(**arguments)
    assert caught.value.field == field


async def test_sync_and_async_answer_alike(url: str, client: Client, trace: TraceSummary, tmp_path: Path) -> None:
    async with AsyncClient(url) as other:
        answer, batch, again, window, heads, models, file, attention = await asyncio.gather(
            other.predict(TEXT),
            other.predict_batch([TEXT, ""]),
            other.trace(TEXT),
            other.map(trace.id, "cross", head="all"),
            other.heads(trace),
            other.models(),
            other.download(trace, tmp_path / "async.safetensors"),
            other.attention([[1.0, 2.0]]),
        )
        with pytest.raises(NotFound):
            await other.summary("0" * 32)
    alone = client.predict(TEXT)  # the others may have been answered together, and sums in another order differ
    assert answer.prediction.score == pytest.approx(alone.prediction.score, abs=ROUNDING)
    same = dataclasses.replace(answer.prediction, score=alone.prediction.score)
    assert dataclasses.replace(answer, prediction=same) == alone
    assert isinstance(batch[1], BadRequest)
    assert again.id == trace.id
    sync_window = client.map(trace, "cross", head="all")
    np.testing.assert_array_equal(window.weights, sync_window.weights)
    assert dataclasses.replace(window, weights=sync_window.weights).queries == sync_window.queries
    assert heads == client.heads(trace)
    assert models == client.models()
    assert file.read_bytes() == client.download(trace, tmp_path / "sync.safetensors").read_bytes()
    np.testing.assert_array_equal(attention.output, client.attention([[1.0, 2.0]]).output)
