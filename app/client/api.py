"""The service from Python: `Client` and `AsyncClient`, which answer with numpy arrays and Plotly figures.

    with Client() as client:
        trace = client.trace("Wo ist der Bahnhof?")
        window = client.map(trace, "cross", layer=-1, head=3)
        window.weights                  # numpy, float32, (queries, keys)
        window.figure().show()          # plotly

`AsyncClient` has the same operations, awaited. Each is written once; `heedmap.app.client.calls` says how.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from numpy.typing import ArrayLike

from heedmap.app.client.aligned import AlignOperations
from heedmap.app.client.calls import RETRIES, TIMEOUT, ClientCall, Flow, Operation
from heedmap.app.client.effects import EffectOperations
from heedmap.app.client.errors import APIError, ClientError, TimedOut, Unreachable, api_error
from heedmap.app.client.jobs import JobOperations
from heedmap.app.client.likeliest import LikeliestOperations
from heedmap.app.client.results import Answer, Attention, TraceSummary, Window, arrays
from heedmap.app.client.simultaneous import SimultaneousOperations
from heedmap.app.client.sources import SourceOperations
from heedmap.app.client.streams import AwaitingStreams, BlockingStreams
from heedmap.app.render.encoding import as_json
from heedmap.model.prediction import Inputs

if TYPE_CHECKING:
    from heedmap.model.trace.trace import Trace

URL = "http://127.0.0.1:8000"
ACCEPT = {"file": "application/octet-stream", "page": "text/html"}


def prediction_body(
    inputs: Any, model: str | None, target: str | None, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """What POST /v1/predict and POST /v1/traces both take, files as base64; the rest is left to the service."""
    fields = {"model": model, "inputs": as_json(inputs), "target": target, "parameters": dict(parameters) or None}
    return {name: value for name, value in fields.items() if value is not None}


def span(bounds: tuple[int, int] | None, size: int) -> tuple[int, int]:
    """A half-open range; None is all."""
    return (0, size) if bounds is None else bounds


def summary(trace: TraceSummary | str) -> Flow[TraceSummary]:
    """The summary of a trace, fetched only where its id alone is known."""
    if isinstance(trace, TraceSummary):
        return trace
    response = yield ClientCall("GET", f"/v1/traces/{trace}")
    return TraceSummary.from_json(response.json())


def array(value: Any) -> Any:
    """A value as JSON can hold it: arrays and nested lists of numbers as one contiguous array, the rest as it is."""
    return np.ascontiguousarray(value) if isinstance(value, np.ndarray | list | tuple) else value


def identifier(trace: TraceSummary | str) -> str:
    """The id of a trace."""
    return trace if isinstance(trace, str) else trace.id


def fetched(trace: TraceSummary | str, path: Path, form: str = "file") -> Flow[Path]:
    """A trace's file, written aside and renamed, so that a broken download leaves nothing that looks like one."""
    aside = path.with_name(path.name + ".partial")
    try:
        with aside.open("wb") as file:
            yield ClientCall("GET", f"/v1/traces/{identifier(trace)}/{form}", accept=ACCEPT[form], sink=file)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path


class Operations(
    AlignOperations, EffectOperations, JobOperations, LikeliestOperations, SimultaneousOperations, SourceOperations
):
    """What both clients can do. Every operation raises `ClientError`; see `heedmap.app.client.errors` for its kinds."""

    @Operation
    def models(self, /) -> Flow[list[dict[str, Any]]]:
        """The models that are served: name, task, architecture, sites, languages, licence."""
        response = yield ClientCall("GET", "/v1/models")
        return list(response.json()["models"])

    @Operation
    def predict(
        self,
        /,
        inputs: Inputs,
        *,
        model: str | None = None,
        target: str | None = None,
        attention: Sequence[Mapping[str, Any]] = (),
        edits: Sequence[Mapping[str, Any]] = (),
        **parameters: Any,
    ) -> Flow[Answer]:
        """Predict from one input, with `attention` also maps: [{"site": "cross", "layer": -1, "head": "all"}].

        With a map comes which of its cells are visible, unless its entry says {"visible": False}.
        An input is a text, or what the model's task reads, files as bytes: {"image": Path("cat.png").read_bytes()}.
        `target` scores a given output instead; `parameters` are the model's own, such as beam_size=4. `edits` change
        the pass: [{"kind": "silence", "site": "cross", "layer": 1, "head": 2}].
        """
        body = prediction_body(inputs, model, target, parameters)
        if edits:
            body["edits"] = [dict(edit) for edit in edits]
        if attention:
            body["attention"] = [{"visible": True, **entry} for entry in attention]
        response = yield ClientCall("POST", "/v1/predict", body=body)
        return Answer.from_json(response.json())

    @Operation
    def predict_batch(
        self, /, inputs: Sequence[Inputs], *, model: str | None = None, **parameters: Any
    ) -> Flow[list[Answer | APIError]]:
        """Predict from many inputs in one batch; each has its own answer or its own problem, in the same order."""
        response = yield ClientCall("POST", "/v1/predict", body=prediction_body(list(inputs), model, None, parameters))
        results: list[Answer | APIError] = []
        for row in response.json()["results"]:
            error = row.get("error")
            results.append(Answer.from_json(row) if error is None else api_error(error["status"], error))
        return results

    @Operation
    def trace(
        self,
        /,
        inputs: Inputs,
        *,
        model: str | None = None,
        target: str | None = None,
        objective: Mapping[str, Any] | None = None,
        edits: Sequence[Mapping[str, Any]] = (),
        **parameters: Any,
    ) -> Flow[TraceSummary]:
        """Predict, and keep a trace whose maps can be asked for; the same request gives the same trace.

        `objective` adds gradients, of {"tokens": [3]}, {"label": "good"} or {"tokens": [3], "minus": ["word"]}; `edits`
        change the pass: [{"kind": "silence", "site": "cross", "layer": 1, "head": 2}].
        """
        body = prediction_body(inputs, model, target, parameters)
        if objective is not None:
            body["objective"] = dict(objective)
        if edits:
            body["edits"] = [dict(edit) for edit in edits]
        response = yield ClientCall("POST", "/v1/traces", body=body)
        return TraceSummary.from_json(response.json())

    @Operation
    def summary(self, /, trace: TraceSummary | str) -> Flow[TraceSummary]:
        """The summary of a trace that the service keeps."""
        return (yield from summary(identifier(trace)))

    @Operation
    def map(
        self,
        /,
        trace: TraceSummary | str,
        site: str,
        *,
        layer: int = -1,
        head: int | str = "mean",
        rows: tuple[int, int] | None = None,
        cols: tuple[int, int] | None = None,
        measure: str = "weights",
        visible: bool = True,
    ) -> Flow[Window]:
        """A window of a map, exact float32: by default the whole of it; `head` is a number, "mean", "max" or "all".

        `rows` and `cols` are half-open ranges of queries and keys. A trace given by its id costs one more request.
        `visible` says whether to fetch also which cells the mask leaves visible, a byte for each cell of one head; the
        window's is None without, and from a service that is too old to say it.
        """
        description = yield from summary(trace)
        shape = description.sites[site].shape if site in description.sites else (0, 0)
        window = span(rows, shape[0]), span(cols, shape[1])
        names = ("rows", rows), ("cols", cols)
        params = {
            "measure": measure,
            **({"visible": "true"} if visible else {}),
            **{name: f"{bounds[0]}:{bounds[1]}" for name, bounds in names if bounds is not None},
        }
        path = f"/v1/traces/{description.id}/maps/{site}/{layer}/{head}"
        response = yield ClientCall("GET", path, params, accept="application/x-npy")
        weights, *rest = arrays(response.content)
        return description.window(site, layer, head, weights, *window, rest[0] if rest else None, measure)

    @Operation
    def heads(self, /, trace: TraceSummary | str) -> Flow[list[dict[str, Any]]]:
        """One row per head: site, layer, head, and its entropy (nats), distance (tokens), sink and more."""
        response = yield ClientCall("GET", f"/v1/traces/{identifier(trace)}/heads")
        return list(response.json()["heads"])

    @Operation
    def best_heads(self, /, trace: TraceSummary | str) -> Flow[dict[str, tuple[int, int] | None]]:
        """By site, the layer and head to look at first; None where the maps are too long to be looked through.

        Of `cross` the head that aligns best, of another site the last layer's sharpest that looks at no sink.
        """
        response = yield ClientCall("GET", f"/v1/traces/{identifier(trace)}/heads")
        best = response.json()["best"]
        return {site: None if place is None else (place["layer"], place["head"]) for site, place in best.items()}

    @Operation
    def compare(
        self, trace: TraceSummary | str, second: TraceSummary | str, /, site: str, **options: Any
    ) -> Flow[dict[str, Any]]:
        """Two traces, or one with itself: axes matched, heads by how far they are apart, and a map's difference.

        `options` as POST /v1/compare takes them: layer=-1, head=3, other={"head": 5}, rows=[0, 64], level=2, ...
        """
        body = {"traces": [identifier(trace), identifier(second)], "site": site, **options}
        response = yield ClientCall("POST", "/v1/compare", body=body)
        return dict(response.json())

    @Operation
    def download(self, /, trace: TraceSummary | str, path: str | Path) -> Flow[Path]:
        """A trace's safetensors file, written whole or not at all; `heedmap.Trace.load` opens it offline."""
        return (yield from fetched(trace, Path(path)))

    @Operation
    def page(self, /, trace: TraceSummary | str, path: str | Path) -> Flow[Path]:
        """A trace as one HTML file with the explorer in it, written whole or not at all; it opens from disk."""
        return (yield from fetched(trace, Path(path), "page"))

    @Operation
    def load(self, /, trace: TraceSummary | str) -> Flow["Trace"]:
        """The trace itself, with its queries, keys, values and log-sum-exp: every map, computed here by PyTorch.

        Raises:
            ImportError: PyTorch is not installed; heedmap[serve] brings it.
        """
        from heedmap import Trace  # takes a second to import, and nothing else here needs it

        with tempfile.TemporaryDirectory() as folder:
            return Trace.load((yield from fetched(trace, Path(folder) / "trace.safetensors")))

    @Operation
    def delete(self, /, trace: TraceSummary | str) -> Flow[None]:
        """Make the service forget a trace."""
        yield ClientCall("DELETE", f"/v1/traces/{identifier(trace)}")

    @Operation
    def attention(
        self, /, queries: ArrayLike, keys: ArrayLike | None = None, values: ArrayLike | None = None, **options: Any
    ) -> Flow[Attention]:
        """The bare operator on arrays of one's own, (positions, width) each; keys are the queries unless given.

        `options` as POST /v1/attention takes them: score="additive", vector=w, heads=4, mask="causal", ...
        """
        fields = {"queries": queries, "keys": keys, "values": values, **options}
        body = {name: array(value) for name, value in fields.items() if value is not None}
        response = yield ClientCall("POST", "/v1/attention", body=body)
        return Attention.from_json(response.json())


class Client(Operations, BlockingStreams):
    """The service, blocking. Use it as a context manager, or `close()` it.

    Args:
        url: where the service listens.
        api_key: sent as a bearer token.
        timeout: seconds for one call, connecting included.
        retries: how often a call is repeated while the service has no room for it (503), if it says when to come back.
        transport: an httpx transport in place of the network, for tests and proxies.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        http = httpx.Client(base_url=url, headers=_headers(api_key), timeout=timeout, transport=transport)
        super().__init__(http, retries)


class AsyncClient(Operations, AwaitingStreams):
    """The service, awaited; takes what `Client` takes, and is closed by `aclose()`."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        http = httpx.AsyncClient(base_url=url, headers=_headers(api_key), timeout=timeout, transport=transport)
        super().__init__(http, retries)


def _headers(api_key: str | None) -> dict[str, str]:
    agent = {"User-Agent": "heedmap-client"}
    return {**agent, "Authorization": f"Bearer {api_key}"} if api_key else agent


__all__ = ["APIError", "AsyncClient", "Client", "ClientError", "TimedOut", "Unreachable"]
