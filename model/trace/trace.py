"""Traces: what one forward pass leaves behind, and the safetensors file that holds it.

The tensors of layer l of a site are {site}.{l}.q, .k, .v and .lse; an additive score adds .vector, a bias .bias (and
.place, where it is one table for many windows), a mask of blocks .blocks, one that is given cell by cell .visible, an
objective .d_output and .delta, an output projection that is known .output_norm and .copying, a layer normalisation that
follows .normalised_norm, .deviation and .mixing, edits .factors, .cuts, .places and .given (`biases.Edited` says how to
read them). The header's metadata holds `sha256`, the file's digest, `heedmap`, the format's version, and `trace`,
JSON: the summary, and per site and layer the score with its scale, the mask and the bias. From the file alone anyone
can recompute any map.

The digest is of the whole file as it reads with zeros in the digest's own 64 places (`tensor_file`), and `trace` names
it as well: a file whose digest is damaged is never taken for one from before there were digests.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from torch import Tensor

from heedmap.model.attention import biases, masks, scores
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.scores import Additive
from heedmap.model.attention.tiles import levels
from heedmap.model.contract import Axis, Prediction
from heedmap.model.errors import RangeError, TraceError
from heedmap.model.page.trace_page import trace_page
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.checks import check_axis, check_layer, require
from heedmap.model.trace.identity import FORMAT
from heedmap.model.trace.tensor_file import DIGEST, write_sealed
from heedmap.model.trace.tensor_reader import TensorFile
from heedmap.model.whole_file import whole_file

T = TypeVar("T")
# What a layer may have besides; each is None where it is not known.
OPTIONAL = ("d_output", "delta", "output_norm", "copying", "normalised_norm", "deviation", "mixing")
SITE = ("name", "layers", "heads", "kv_heads", "queries", "keys", "shape")  # of the summary, which the tensors bear out


@dataclass(frozen=True, eq=False)
class Trace:
    """The immutable record of one forward pass: axes, prediction, and Q, K, V, lse of each attention layer."""

    model: dict[str, str]
    prediction: Prediction
    site_axes: dict[str, tuple[str, str]]
    certificate: Certificate
    layers: dict[str, list[AttentionMap]]
    objective: Mapping[str, Any] | None = None  # what its gradients are of, as JSON, and its `value`
    edits: tuple[Mapping[str, Any], ...] = ()  # what was changed in the pass, as JSON
    request: Mapping[str, Any] | None = None  # what it was asked by, as JSON, where who keeps it said so
    file: TensorFile | None = None  # where the tensors lie, if they were read

    @property
    def task(self) -> str:
        """The model's task."""
        return self.model["task"]

    @property
    def axes(self) -> dict[str, Axis]:
        """What the queries and keys of each site stand for."""
        return self.prediction.axes

    @property
    def nbytes(self) -> int:
        """The size of its tensors."""
        return sum(
            tensor.numel() * tensor.element_size()
            for maps in self.layers.values()
            for layer in maps
            for tensor in _tensors(layer).values()
        )

    def sites(self) -> list[dict[str, Any]]:
        """One entry per site: name, layers, heads, kv_heads, queries, keys, shape, levels of tiles, kind of mask."""
        rows = []
        for name, (queries, keys) in self.site_axes.items():
            first = self.layers[name][0]
            rows.append(
                {
                    "name": name,
                    "layers": len(self.layers[name]),
                    "heads": first.heads,
                    "kv_heads": first.kv_heads,
                    "queries": queries,
                    "keys": keys,
                    "shape": list(first.shape),
                    "levels": levels(first.shape),
                    "mask": first.mask.describe()["kind"],
                }
            )
        return rows

    def map(self, site: str, layer: int) -> AttentionMap:
        """The maps of a layer, counted from 0, negatives from the end.

        Raises:
            RangeError: there is no such site or layer. TraceError: its file was changed since it was opened.
        """
        self.check()
        if site not in self.layers:
            sites = ", ".join(self.layers)
            raise RangeError(f"site {site!r} does not exist: this trace has {sites}", field="site")
        maps = self.layers[site]
        if not -len(maps) <= layer < len(maps):
            raise RangeError(f"layer {layer} does not exist: {site} has layers 0 to {len(maps) - 1}", field="layer")
        return maps[layer]

    def to_json(self) -> dict[str, Any]:
        """The summary: task, prediction, axes, sites and certificate."""
        return {
            "task": self.task,
            "prediction": self.prediction.to_json(),
            "axes": {name: axis.to_json() for name, axis in self.axes.items()},
            "sites": self.sites(),
            "certificate": asdict(self.certificate),
            **({} if self.objective is None else {"objective": dict(self.objective)}),
            **({"edits": [dict(edit) for edit in self.edits]} if self.edits else {}),
        }

    def check(self) -> None:
        """Make sure that what was opened is still there: before each use, and between the parts of a long one.

        Raises:
            TraceError: the file, which is too large to be in memory, was changed in place.
        """
        if self.file is not None:
            self.file.check()

    def watched(self, work: Iterator[T]) -> Iterator[T]:
        """The parts of a long piece of work over the tensors, with a `check` before each.

        Raises:
            TraceError: the file was changed in place.
        """
        self.check()
        for part in work:
            yield part
            self.check()

    def save(
        self, path: str | Path, extra: Mapping[str, str] | None = None, date: float | None = None, mode: int = 0o666
    ) -> int:
        """Write the file whole or not at all (aside, fsync, rename); returns its size in bytes.

        `date`: the file's time, in seconds, where it is not now. `extra` joins the header's metadata. `mode`: who may
        open it, less what the process's umask takes away. Nothing is copied that lies in one piece already.

        Raises:
            OSError: it cannot be written; then nothing is left of it.
        """
        path = Path(path)
        with whole_file(path, mode) as file:
            size = self._write(file, extra)
            file.flush()
            if date is not None:
                os.utime(file.fileno(), (date, date))
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return size

    def page(self, path: str | Path, plotly: bool | None = None) -> int:
        """Write the trace as one HTML file with the explorer in it, whole or not at all; returns its size in bytes.

        It opens from disk and asks nobody for anything; every head is in it, exactly. All of it is in memory meanwhile.
        plotly: whether Plotly is in it too, two thirds of a megabyte; by default where a map is too long to do without.

        Raises:
            OSError: it cannot be written; then nothing is left of it.
        """
        file = BytesIO()
        self._write(file, None)
        content = trace_page(file.getvalue(), plotly=plotly)
        with whole_file(Path(path)) as whole:
            return whole.write(content)

    def _write(self, file: BinaryIO | BytesIO, extra: Mapping[str, str] | None) -> int:
        tensors: dict[str, Tensor] = {}
        layers: dict[str, list[dict[str, Any]]] = {}
        for site, maps in self.layers.items():
            for index, layer in enumerate(maps):
                tensors |= {f"{site}.{index}.{name}": tensor for name, tensor in _tensors(layer).items()}
                entry = {
                    "score": layer.score.describe(),
                    "scale": layer.score.describe()["scale"],
                    "mask": layer.mask.describe(),
                    "bias": None if layer.bias is None else layer.bias.describe(),
                }
                layers.setdefault(site, []).append(entry)
        summary = {**self.to_json(), "model": self.model, "layers": layers, "digest": DIGEST}
        if self.request is not None:
            summary["request"] = dict(self.request)
        header = {**(extra or {}), "heedmap": FORMAT, "trace": json.dumps(summary, ensure_ascii=False)}
        return write_sealed(file, tensors, header)

    @classmethod
    def load(cls, path: str | Path, verify: bool = True) -> "Trace":
        """Open a trace file; the tensors are read into memory, or mapped where they are large.

        verify: compare the file with its digest, which takes about a second a gigabyte. A file from before there were
        digests opens all the same.

        Raises:
            TraceError: the file is missing, truncated, changed, of another version or no trace.
        """
        for trace in cls.loading(TensorFile(Path(path)), verify):
            if trace is not None:
                return trace
        raise AssertionError("loading ends with the trace")

    @classmethod
    def loading(cls, file: TensorFile, verify: bool = True) -> "Iterator[Trace | None]":
        """As `load`, of an opened file, a few megabytes at a time: None after each of them, and the trace at the end.

        Raises:
            TraceError: the file is truncated, changed, of another version or no trace.
        """
        summary = _summary(file)
        for tensors in file.load(verify):
            if tensors is None:
                yield None
                continue
            try:
                trace = cls._read(summary, tensors, file)
            except TraceError as error:
                raise TraceError(f"{file.name} is not a complete trace: {error}") from error
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
                raise TraceError(f"{file.name} is not a complete trace: {repr(error)[:200]}") from error
            yield trace

    @classmethod
    def _read(cls, summary: dict[str, Any], tensors: dict[str, Tensor], file: TensorFile) -> "Trace":
        axes = {name: Axis.from_json(axis) for name, axis in summary["axes"].items()}
        for name, axis in axes.items():
            check_axis(name, axis)
        site_axes = {site["name"]: (site["queries"], site["keys"]) for site in summary["sites"]}
        require(bool(site_axes) and site_axes.keys() == summary["layers"].keys(), "its sites and its layers differ")
        layers: dict[str, list[AttentionMap]] = {}
        for site, described in summary["layers"].items():
            queries, keys = (len(axes[name]) for name in site_axes[site])
            layers[site] = []
            for index, entry in enumerate(described):
                prefix = f"{site}.{index}."
                parts = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
                check_layer(f"{site}.{index}", parts, entry, queries, keys)
                layers[site].append(
                    AttentionMap(
                        q=parts["q"],
                        k=parts["k"],
                        v=parts["v"],
                        lse=parts["lse"],
                        **{name: parts.get(name) for name in OPTIONAL},
                        score=scores.from_description(entry["score"], parts.get("vector")),
                        mask=masks.from_description(entry["mask"], parts),
                        bias=biases.from_description(entry["bias"], parts),
                    )
                )
            require(bool(described), f"{site} has no layers")
        prediction = Prediction.from_json(summary["prediction"], axes)
        model = dict(summary["model"])
        require(all(isinstance(text, str) for text in model.values()) and "task" in model, "its model is not described")
        objective = summary.get("objective")
        require(objective is None or isinstance(objective, dict), "its objective is not described")
        edits = tuple(dict(edit) for edit in summary.get("edits", ()))
        certificate = Certificate(**summary["certificate"])
        request = summary.get("request")
        require(request is None or isinstance(request, dict), "what it was asked by is not described")
        trace = cls(model, prediction, site_axes, certificate, layers, objective, edits, request, file)
        for says, has in zip(summary["sites"], trace.sites(), strict=True):
            differ = ", ".join(name for name in SITE if says[name] != has[name])
            require(not differ, f"what it says of the {differ} of {says['name']} is not what it holds")
        return trace


def _tensors(layer: AttentionMap) -> dict[str, Tensor]:
    """A layer's tensors by the last part of their names."""
    tensors = {"q": layer.q, "k": layer.k, "v": layer.v, "lse": layer.lse, **layer.mask.tensors()}
    if isinstance(layer.score, Additive):
        tensors["vector"] = layer.score.vector
    tensors |= {name: part for name in OPTIONAL if (part := getattr(layer, name)) is not None}
    return tensors if layer.bias is None else {**tensors, **layer.bias.tensors()}


def read_header(path: Path) -> dict[str, str]:
    """The metadata of a trace file, without its tensors: `heedmap`, `trace` and what `save` was given besides.

    Raises:
        TraceError: the file is missing, truncated or no trace.
    """
    file = TensorFile(path)
    _summary(file)
    return file.metadata


def _summary(file: TensorFile) -> dict[str, Any]:
    """What the header says of the trace."""
    version = file.metadata.get("heedmap")
    if version != FORMAT or "trace" not in file.metadata:
        raise TraceError(f"{file.name} is not a trace of version {FORMAT} (its version: {(version or 'none')[:40]})")
    try:
        summary: dict[str, Any] = json.loads(file.metadata["trace"])
        digest = summary.get("digest")
    except (ValueError, AttributeError, RecursionError) as error:
        raise TraceError(f"{file.name} is not a complete trace: its summary does not read") from error
    if digest is not None and DIGEST not in file.metadata:
        raise TraceError(f"{file.name} is not a readable trace: it was written with a digest, which is damaged")
    return summary
