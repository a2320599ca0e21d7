"""The recorder: takes what each attention layer of a forward pass computed, and cuts it into traces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention import biases, masks
from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Full, Given, Mask
from heedmap.model.attention.scores import Additive, ScaledDot, Score
from heedmap.model.contract import Prediction
from heedmap.model.errors import InputError, TraceError
from heedmap.model.observer import stage
from heedmap.model.trace.certificate import Certificate, certify
from heedmap.model.trace.copying import Unembedding, copying
from heedmap.model.trace.mixing import mixing_ratios
from heedmap.model.trace.norms import PostNorm, deviations, output_norms
from heedmap.model.trace.records import AttentionRecord, WeightsRecord, differentiated, joined
from heedmap.model.trace.trace import Trace

Lengths = Mapping[str, tuple[int, int]]


@dataclass
class Recorder:
    """Collects what each attention layer of one forward pass computed: an `AttentionRecorder`.

    gradients: whether the pass will be differentiated. The first output of an attention then begins the graph, and
    whatever frozen weights and inputs came before it is not a part of it.
    """

    records: dict[str, list[AttentionRecord | WeightsRecord]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    quantised: str = ""  # how the model's weights are
    gradients: bool = False
    unembedding: Unembedding | None = None  # what reads the tokens from what attention adds to; None where nothing does
    _biases: dict[tuple[int, int, int, int], Bias | None] = field(default_factory=dict)
    _masks: dict[tuple[int, int, int, int], Mask] = field(default_factory=dict)

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
        bias: Tensor | Bias | None = None,
        gram: Callable[[], Tensor | None] | None = None,
        parts: Callable[[], Tensor | None] | None = None,
        post_norm: Callable[[], tuple[PostNorm, Tensor] | None] | None = None,
        edited: Callable[[Bias | None], Edited] | None = None,
        tapes: Sequence[Tensor] = (),
        arrange: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Keep one layer's tensors, without copying them; a bias is (B H Q K), broadcast.

        gram and post_norm make what `norms` takes, and parts what `copying` does, when a trace is cut. tapes:
        what the pass goes on with, where that is not `output` itself: parts of it along the queries; `arrange` makes
        `output` of them.
        """
        if self.gradients:
            tapes = tapes or (output,)
            for tape in tapes:
                self.follow(tape)
            q, k, v, lse, output = (x.detach() for x in (q, k, v, lse, output))
            bias = bias.detach() if isinstance(bias, Tensor) and bias.requires_grad else bias
        more: dict[str, Any] = {"gram": gram, "parts": parts, "post_norm": post_norm, "edited": edited}
        record = AttentionRecord(q, k, v, lse, output, score, mask or Full(), bias, kernel, **more)
        if self.gradients:
            record = replace(record, tapes=tuple(tapes), arrange=arrange)
        self.records.setdefault(site, []).append(record)

    def follow(self, output: Tensor) -> None:
        """Before anybody goes on with an output: see to it that the graph knows it."""
        if self.gradients and not output.requires_grad:
            output.requires_grad_()

    def differentiate(self, value: Tensor) -> None:
        """Keep the gradient of a number at the output of every attention that was recorded; the graph is gone then.

        One that has no part in the number has gradient 0.

        Raises:
            InputError: layers gave nothing but their weights, or the number depends on no attention.
        """
        records = [record for site in self.records.values() for record in site]
        if any(isinstance(record, WeightsRecord) for record in records):
            raise InputError(
                "this model's family hands out its attention weights alone, and no gradient can be had through them: "
                "leave the objective out",
                field="objective",
            )
        if not value.requires_grad:
            raise InputError("the objective depends on no attention of this pass: choose another", field="objective")
        whole = [record for record in records if isinstance(record, AttentionRecord)]
        tapes = [tape for record in whole for tape in record.tapes]
        gradients = iter(torch.autograd.grad(value, tapes, allow_unused=True))
        for site, entries in self.records.items():
            self.records[site] = [differentiated(entry, gradients) for entry in entries]

    def record_weights(self, site: str, weights: Tensor) -> None:
        """Keep the weights (B H Q K) of a layer that gives nothing else."""
        self.records.setdefault(site, []).append(WeightsRecord(weights))

    def clear(self) -> None:
        """Forget all of it, to record another pass."""
        self.records.clear()
        self._biases.clear()
        self._masks.clear()

    def next_chunk(self) -> None:
        """Let go of keys and values so far: those of the chunk to come, over one cache, hold them too."""
        for records in self.records.values():
            for index, record in enumerate(records):
                if isinstance(record, AttentionRecord) and record.k.shape[2]:
                    records[index] = replace(record, k=record.k[:, :, :0].clone(), v=record.v[:, :, :0].clone())

    def join(self, layers: Mapping[str, int]) -> None:
        """Make one record of each layer of a pass that went in chunks over one causal sequence, a cache between them.

        Args:
            layers: of each site.

        Raises:
            TraceError: the records are no whole number of passes.
        """
        for site, count in layers.items():
            records = self.records[site]
            if len(records) % count:
                raise TraceError(f"{site} recorded {len(records)} attentions, which is no multiple of {count} layers")
            self.records[site] = []
            for left in range(count, 0, -1):  # layers, which stand in each chunk one after the other
                self.records[site].append(joined(records[::left]))
                del records[::left]  # no more than one layer is in memory twice

    def maps(self, row: int, lengths: Lengths) -> dict[str, list[AttentionMap]]:
        """The maps of one sequence of the batch, cut to its own length.

        Args:
            row: its place in the batch.
            lengths: per site, its queries and keys; what lies beyond is padding.

        Raises:
            TraceError: a layer attended over something else than the whole sequence.
        """
        return {
            site: [self._map(record, row, *lengths[site], site, i) for i, record in enumerate(records)]
            for site, records in self.records.items()
        }

    def certify(self, row: int, maps: Mapping[str, list[AttentionMap]]) -> Certificate:
        """The certificate of one sequence's maps."""
        outputs = {
            site: [
                None if isinstance(record, WeightsRecord) else record.output[row, :, : layer.shape[0]]
                for record, layer in zip(self.records[site], layers, strict=True)
            ]
            for site, layers in maps.items()
        }
        kernels = {site: [record.kernel for record in self.records[site]] for site in maps}
        return certify(maps, outputs, kernels, self.versions, self.quantised)

    def trace(
        self,
        row: int,
        prediction: Prediction,
        sites: Mapping[str, tuple[str, str]],
        objective: Mapping[str, Any] | None = None,
        edits: Sequence[Mapping[str, Any]] = (),
        **model: str,
    ) -> Trace:
        """The trace of one sequence of the batch, cut to its own length and certified.

        Args:
            row: its place in the batch.
            prediction: whose axes say how long it is.
            sites: per site, the names of its query and key axes.
            objective: what was differentiated, as JSON, with its value; edits: what was changed in the pass, as JSON.
            model: what to write down about the model: task, revision.

        Raises:
            TraceError: the pass recorded other sites than these, or a layer attended over something else.
        """
        if not self.records or sites.keys() ^ self.records.keys():
            recorded = ", ".join(self.records) or "nothing"
            raise TraceError(f"the pass recorded {recorded}, where {', '.join(sites) or 'something'} was expected")
        axes = prediction.axes
        lengths = {site: (len(axes[queries]), len(axes[keys])) for site, (queries, keys) in sites.items()}
        layers = self.maps(row, lengths)
        ordered = {site: self._copying(site, layers[site], axes[sites[site][1]].ids) for site in sites}
        with stage("certify"):
            certificate = self.certify(row, ordered)
        return Trace(model, prediction, dict(sites), certificate, ordered, objective, tuple(edits))

    def _copying(self, site: str, maps: list[AttentionMap], ids: Sequence[int]) -> list[AttentionMap]:
        """The maps of a site with what their heads copy, where that is known."""
        unembedding = self.unembedding
        if unembedding is None or (site == "encoder" and "decoder" in self.records):  # which writes nothing
            return maps
        result = []
        for record, layer in zip(self.records[site], maps, strict=True):
            make = record.parts if isinstance(record, AttentionRecord) else None
            parts = None if make is None else make()
            fits = parts is not None and parts.shape[1:] == (layer.v.shape[2], unembedding.weight.shape[1])
            copies = copying(layer.v, parts, unembedding, ids) if parts is not None and fits else None
            result.append(replace(layer, copying=copies))
        return result

    def _map(
        self, record: AttentionRecord | WeightsRecord, row: int, queries: int, keys: int, site: str, index: int
    ) -> AttentionMap:
        if record.shape[0] < queries or record.shape[1] < keys:
            found = " to ".join(str(length) for length in record.shape)
            raise TraceError(f"{site} layer {index} attended from {found} positions, not from {queries} to {keys}")
        if isinstance(record, WeightsRecord):
            return _weighed(record.weights[row, :, :queries, :keys])
        device = record.q.device
        alone = record.q.shape[0] == 1  # a view keeps the whole batch in memory: of a batch of one that is no loss

        def row_of(part: Tensor, length: int) -> Tensor:
            cut = part[row, :, :length]
            return cut if alone else cut.contiguous()

        v, gram = row_of(record.v, keys), None if record.gram is None else record.gram()
        bias = self._bias(record.bias, row, queries, keys)
        bias = bias if record.edited is None else record.edited(bias)
        d_output = None if record.d_output is None else row_of(record.d_output, queries)
        post_norm = None if record.summed is None or record.post_norm is None else record.post_norm()
        cut = AttentionMap(
            d_output=d_output,
            delta=None if d_output is None else (d_output.float() * row_of(record.output, queries).float()).sum(dim=-1),
            q=row_of(record.q, queries),
            k=row_of(record.k, keys),
            v=v,
            lse=row_of(record.lse, queries).float(),
            score=_detached(record.score),
            mask=self._mask(record.mask, row, queries, keys).to(device),
            bias=None if bias is None else bias.to(device),
            output_norm=None if gram is None else output_norms(v, gram),
        )
        if post_norm is None or record.summed is None:
            return cut
        behind, normalised = post_norm
        summed, output = record.summed[row, :queries], row_of(record.output, queries)
        itself = site != "cross" and queries == keys and not record.patched
        return replace(
            cut,
            normalised_norm=output_norms(v, normalised),
            deviation=deviations(summed, behind.eps).to(device),
            mixing=mixing_ratios(cut, output, summed, behind) if itself else None,
        )

    def _mask(self, mask: Mask, row: int, queries: int, keys: int) -> Mask:
        """Layers share their masks, and finding the form of one reads all of its cells: once."""
        if not isinstance(mask, Given):
            return mask.of(row, queries, keys)
        key = (id(mask.cells), row, queries, keys)
        if key not in self._masks:
            self._masks[key] = mask.of(row, queries, keys)
        return self._masks[key]

    def _bias(self, bias: Tensor | Bias | None, row: int, queries: int, keys: int) -> Bias | None:
        if not isinstance(bias, Tensor):
            return bias
        key = (id(bias), row, queries, keys)
        if key not in self._biases:
            cells = bias[row if bias.shape[0] > 1 else 0]
            cells = cells[:, :queries] if cells.shape[1] > 1 else cells.expand(-1, queries, -1)
            self._biases[key] = biases.recognise(cells[:, :, :keys].detach().cpu())
        return self._biases[key]


def _weighed(weights: Tensor) -> AttentionMap:
    """A map whose weights are given: they stand in the bias, as logarithms."""
    heads, queries, keys = weights.shape
    weights = weights.detach().float().cpu()
    nothing = weights.new_zeros(heads, 0, 0)
    above = torch.ones(queries, keys, dtype=torch.bool).triu(1 + keys - queries)
    causal = queries > 1 and queries <= keys and not bool((weights * above).any())
    return AttentionMap(
        q=nothing.new_zeros(heads, queries, 0),
        k=nothing.new_zeros(heads, keys, 0),
        v=nothing.new_zeros(heads, keys, 0),
        lse=weights.new_zeros(heads, queries),
        score=ScaledDot(1.0),
        mask=masks.Causal(keys - queries) if causal else Full(),
        bias=biases.Dense(weights.log()),
    )


def _detached(score: Score) -> Score:
    """The score without its parameters' gradients, where it has parameters."""
    return Additive(score.vector.detach().contiguous()) if isinstance(score, Additive) else score
