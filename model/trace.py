"""Traces: what one forward pass leaves behind, and the safetensors file that holds it.

The tensors of layer l of a site are {site}.{l}.q, .k, .v and .lse (an additive score adds .vector); the header's
metadata holds `heedmap`, the format's version, and `trace`, JSON: the summary, and per site and layer the score with
its scale, the mask and the bias. From the file alone anyone can recompute any map.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from model import __version__
from model.attention import masks, scores
from model.attention.maps import AttentionMap, sampled_rows
from model.attention.masks import Both, Full, Mask, Padding
from model.attention.scores import Additive, Score
from model.errors import RangeError, TraceError
from model.served import Axis, Prediction, Request

FORMAT = "1"
CHECKED_ROWS = 64  # rows of each layer that a certificate recomputes: exact below that length, a sample above


@dataclass(frozen=True)
class Certificate:
    """The proof that the maps are the model's: A·V from the map against the output that the model used."""

    max_error: float
    rows_checked: int
    kernel: str
    dtype: str
    versions: dict[str, str]
    errors: dict[str, list[list[float]]]  # site -> layer -> head


@dataclass(frozen=True, eq=False)
class _Record:
    """What one layer handed over, for a whole batch."""

    q: Tensor
    k: Tensor
    v: Tensor
    lse: Tensor
    output: Tensor
    score: Score
    mask: Mask
    kernel: str


@dataclass
class Recorder:
    """Collects what each attention layer of one forward pass computed; a `Capture`."""

    records: dict[str, list[_Record]] = field(default_factory=dict)

    def record(
        self,
        site: str,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        lse: Tensor,
        output: Tensor,
        *,
        score: Score,
        mask: Mask | None,
        kernel: str,
    ) -> None:
        """Keep one layer's tensors, without copying them."""
        self.records.setdefault(site, []).append(_Record(q, k, v, lse, output, score, mask or Full(), kernel))

    def trace(self, index: int, prediction: Prediction, sites: Mapping[str, tuple[str, str]], **model: str) -> "Trace":
        """The trace of one sequence of the batch, cut to its own length and certified.

        Args:
            index: its row in the batch.
            prediction: whose axes say how long it is.
            sites: per site, the names of its query and key axes.
            model: what to write down about the model: task, revision.
        """
        layers: dict[str, list[AttentionMap]] = {}
        errors: dict[str, list[list[float]]] = {}
        rows, kernels, dtypes = 0, set(), set()
        for site, (query_axis, key_axis) in sites.items():
            queries, keys = len(prediction.axes[query_axis]), len(prediction.axes[key_axis])
            for record in self.records[site]:
                layer = AttentionMap(
                    q=record.q[index, :, :queries].cpu().contiguous(),
                    k=record.k[index, :, :keys].cpu().contiguous(),
                    v=record.v[index, :, :keys].cpu().contiguous(),
                    lse=record.lse[index, :, :queries].float().cpu().contiguous(),
                    score=_detached(record.score),
                    mask=_unpadded(record.mask),
                )
                layers.setdefault(site, []).append(layer)
                error = layer.output_error(record.output[index, :, :queries].cpu(), CHECKED_ROWS)
                errors.setdefault(site, []).append(error.tolist())
                rows += len(sampled_rows(queries, CHECKED_ROWS)) * layer.heads
                kernels.add(record.kernel)
                dtypes.add(str(record.q.dtype).removeprefix("torch."))
        worst = max(error for site in errors.values() for layer_errors in site for error in layer_errors)
        versions = {"heedmap": __version__, "torch": torch.__version__, "python": platform.python_version()}
        certificate = Certificate(worst, rows, "+".join(sorted(kernels)), "+".join(sorted(dtypes)), versions, errors)
        return Trace(model, prediction, dict(sites), certificate, layers)


def _detached(score: Score) -> Score:
    """The score without its parameters' gradients, where it has parameters."""
    return Additive(score.vector.detach().cpu().contiguous()) if isinstance(score, Additive) else score


def _unpadded(mask: Mask) -> Mask:
    """The mask of one sequence that was cut to its own length: padding has nothing left to hide."""
    if isinstance(mask, Padding):
        return Full()
    if isinstance(mask, Both):
        return _unpadded(mask.first) & _unpadded(mask.second)
    return mask


@dataclass(frozen=True, eq=False)
class Trace:
    """The immutable record of one forward pass: axes, prediction, and Q, K, V, lse of each attention layer."""

    model: dict[str, str]
    prediction: Prediction
    site_axes: dict[str, tuple[str, str]]
    certificate: Certificate
    layers: dict[str, list[AttentionMap]]

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
        tensors = (t for maps in self.layers.values() for m in maps for t in (m.q, m.k, m.v, m.lse))
        return sum(t.numel() * t.element_size() for t in tensors)

    def sites(self) -> list[dict[str, Any]]:
        """One entry per site: name, layers, heads, kv_heads, queries, keys, shape, and the kind of mask."""
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
                    "mask": first.mask.describe()["kind"],
                }
            )
        return rows

    def map(self, site: str, layer: int) -> AttentionMap:
        """The maps of a layer, counted from 0, negatives from the end.

        Raises:
            RangeError: there is no such site or layer.
        """
        if site not in self.layers:
            known = ", ".join(self.layers)
            raise RangeError(f"site {site!r} does not exist: this trace has {known}", field="site")
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
        }

    def to_bytes(self, extra: Mapping[str, str] | None = None) -> bytes:
        """The safetensors file; `extra` joins the header's metadata."""
        tensors: dict[str, Tensor] = {}
        layers: dict[str, list[dict[str, Any]]] = {}
        for site, maps in self.layers.items():
            for index, layer in enumerate(maps):
                prefix = f"{site}.{index}"
                for name, tensor in (("q", layer.q), ("k", layer.k), ("v", layer.v), ("lse", layer.lse)):
                    tensors[f"{prefix}.{name}"] = tensor
                if isinstance(layer.score, Additive):
                    tensors[f"{prefix}.vector"] = layer.score.vector
                described = layer.score.describe()
                entry = {"score": described, "scale": described["scale"], "mask": layer.mask.describe(), "bias": None}
                layers.setdefault(site, []).append(entry)
        summary = {**self.to_json(), "model": self.model, "layers": layers}
        header = {**(extra or {}), "heedmap": FORMAT, "trace": json.dumps(summary, ensure_ascii=False)}
        return save(tensors, metadata=header)

    def save(self, path: Path, extra: Mapping[str, str] | None = None) -> int:
        """Write the file whole or not at all (aside, fsync, rename); returns its size in bytes."""
        data = self.to_bytes(extra)
        aside = path.with_name(path.name + ".partial")
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return len(data)

    @classmethod
    def load(cls, path: Path) -> "Trace":
        """Open a trace file; the tensors are memory-mapped.

        Raises:
            TraceError: the file is missing, truncated, of another version or no trace.
        """
        header = read_header(path)
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            return cls._read(json.loads(header["trace"]), tensors)
        except (SafetensorError, OSError) as error:
            raise TraceError(f"{path.name} is not a readable trace, it may be truncated: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise TraceError(f"{path.name} is not a complete trace: {error!r}") from error

    @classmethod
    def _read(cls, summary: dict[str, Any], tensors: dict[str, Tensor]) -> "Trace":
        layers: dict[str, list[AttentionMap]] = {}
        for site, described in summary["layers"].items():
            for index, entry in enumerate(described):
                q, k, v, lse = (tensors[f"{site}.{index}.{name}"] for name in ("q", "k", "v", "lse"))
                score = scores.from_description(entry["score"], tensors.get(f"{site}.{index}.vector"))
                mask = masks.from_description(entry["mask"])
                layers.setdefault(site, []).append(AttentionMap(q, k, v, lse, score, mask))
        axes = {name: Axis.from_json(axis) for name, axis in summary["axes"].items()}
        told = summary["prediction"]
        prediction = Prediction(told["text"], told["tokens"], told["score"], axes)
        site_axes = {site["name"]: (site["queries"], site["keys"]) for site in summary["sites"]}
        return cls(summary["model"], prediction, site_axes, Certificate(**summary["certificate"]), layers)


def read_header(path: Path) -> dict[str, str]:
    """The metadata of a trace file, without its tensors: `heedmap`, `trace` and what `save` was given besides.

    Raises:
        TraceError: the file is missing, truncated or no trace.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise TraceError(f"{path.name} is not a readable trace, it may be truncated: {error}") from error
    if header.get("heedmap") != FORMAT or "trace" not in header:
        raise TraceError(
            f"{path.name} is not a trace of version {FORMAT} (its version: {header.get('heedmap', 'none')})"
        )
    return header


def content_id(revision: str, request: Request, owner: str = "") -> str:
    """The trace's id, 32 hexadecimal characters: equal model revision, input, parameters and owner give equal ids."""
    content = [FORMAT, revision, request.inputs, request.target, request.parameters.model_dump(), owner]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
