"""A native translation checkpoint, served: text in, predictions and traces out."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heedmap.model.card import licence
from heedmap.model.contract import DECODING, Axis, Parameters, Prediction, Request, taken
from heedmap.model.errors import CheckpointError, EmptyInput, HeedmapError, InputError, InputTooLong, ParameterError
from heedmap.model.generated import Generated
from heedmap.model.isolation import isolated
from heedmap.model.native import checkpoint
from heedmap.model.native.checkpoint import Checkpoint
from heedmap.model.native.decoding import generate
from heedmap.model.native.inference import InferenceTransformer
from heedmap.model.native.language_model import LanguageModel
from heedmap.model.native.tokenizer import END, PAD, SPECIAL, Encoding
from heedmap.model.native.transformer import Transformer, TransformerConfig
from heedmap.model.padding import padded
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

SITE_AXES = {"encoder": ("source", "source"), "decoder": ("target", "prefix"), "cross": ("target", "source")}


class Translator:
    """Predictions and traces of an encoder-decoder; a `Served`."""

    task = "translation"
    trace_limit = 0  # its positions end long before
    reentrant = True  # a pass takes its recorder as an argument, and changes nothing of the network

    def __init__(self, loaded: Checkpoint, licence: str | None = None) -> None:
        if isinstance(loaded.network, LanguageModel):
            raise CheckpointError("a language model does not translate")
        self.network, self.tokenizer, self.revision = loaded.network, loaded.tokenizer, loaded.revision
        self.licence = licence
        self.sites = {site: SITE_AXES[site] for site in self.network.sites}
        self.engine = InferenceTransformer(self.network) if isinstance(self.network, Transformer) else None
        weight = self.network.output_weight
        self.device, self.dtype = weight.device, weight.dtype

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Translator":
        """Load a checkpoint folder.

        Raises:
            CheckpointError: the folder is not a sound checkpoint.
        """
        return cls(checkpoint.load(folder, device), licence(folder))

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence, as JSON."""
        config = self.network.config
        if isinstance(config, TransformerConfig):
            layers = {
                "encoder": config.encoder_layers,
                "decoder": config.decoder_layers,
                "cross": config.decoder_layers,
            }
            heads, kv_heads = config.heads, config.kv_heads
        else:
            layers, heads, kv_heads = {"cross": 1}, 1, 1
        return {
            "task": self.task,
            "architecture": config.architecture,
            "revision": self.revision,
            "languages": {"source": config.source_language, "target": config.target_language},
            "parameter_count": sum(p.numel() for p in self.network.parameters()),
            "parameters": taken(*DECODING, max_new_tokens=config.max_positions),
            "vocabulary": config.vocabulary,
            "width": config.width,
            "max_positions": config.max_positions,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "licence": self.licence,
            "sites": [
                {"name": n, "layers": layers[n], "heads": heads, "kv_heads": kv_heads, "queries": q, "keys": k}
                for n, (q, k) in self.sites.items()
            ],
        }

    def predict(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Prediction | HeedmapError]:
        """Answer one batch; each request has its own result or its own error, in the same order."""
        return isolated(lambda some: self._predict(some, cancelled), requests)

    def trace(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Trace | HeedmapError]:
        """Predict, then record one teacher-forced pass over input and output."""
        return isolated(lambda some: self._trace(some, cancelled), requests)

    def _predict(self, requests: Sequence[Request], cancelled: Stop) -> list[Prediction | HeedmapError]:
        results: dict[int, Prediction | HeedmapError] = {}
        sources: dict[int, Encoding] = {}
        targets: dict[int, Encoding] = {}
        for index, request in enumerate(requests):
            try:
                if not isinstance(request.inputs, str):
                    raise ParameterError("this model translates text; give a text", field="inputs")
                sources[index] = self._encode(request.inputs, "inputs")
                if request.target is not None:
                    targets[index] = self._encode(request.target, "target")
            except InputError as error:
                results[index] = error
        groups: dict[Parameters, list[int]] = defaultdict(list)
        for index, request in enumerate(requests):
            if index not in results and index not in targets:
                groups[request.parameters].append(index)
        outputs: dict[int, Generated] = {}
        for parameters, members in groups.items():
            generated = self.generate([sources[i].ids for i in members], parameters, cancelled)
            outputs.update(zip(members, generated, strict=True))
        scored = [i for i in targets if i not in results]
        if scored:
            rated = self._score([sources[i].ids for i in scored], [targets[i].ids for i in scored])
            outputs.update(zip(scored, rated, strict=True))
        for index, output in outputs.items():
            results[index] = self._prediction(requests[index], sources[index], output)
        return [results[index] for index in range(len(requests))]

    def _trace(self, requests: Sequence[Request], cancelled: Stop) -> list[Trace | HeedmapError]:
        predictions = self._predict(requests, cancelled)
        done = [p for p in predictions if isinstance(p, Prediction)]
        if not done:
            return [p for p in predictions if isinstance(p, HeedmapError)]
        recorder = Recorder()
        with torch.inference_mode():
            source, lengths = self._batch([p.axes["source"].ids for p in done])
            prefix, _ = self._batch([p.axes["prefix"].ids for p in done])
            self.network(source, lengths, prefix, recorder)
            facts = {"task": self.task, "revision": self.revision}
            traces = iter([recorder.trace(row, p, self.sites, **facts) for row, p in enumerate(done)])
        return [p if isinstance(p, HeedmapError) else next(traces) for p in predictions]

    def generate(self, sources: list[list[int]], parameters: Parameters, cancelled: Stop = never) -> list[Generated]:
        """Outputs for a batch of source ids, each closed by the end token."""
        room = self.network.config.max_positions
        limit = min(parameters.max_new_tokens or room, room)
        with torch.inference_mode():
            ids, lengths = self._batch(sources)
            if self.engine is None:
                state: Any = self.network.start(self.network.encode(ids, lengths), lengths)
                return generate(self.network, state, len(sources), parameters, limit, self.device, cancelled)
            ready = self.engine.start(ids, lengths)
            return generate(self.engine, ready, len(sources), parameters, limit, self.device, cancelled)

    def _score(self, sources: list[list[int]], targets: list[list[int]]) -> list[Generated]:
        """Given outputs and their summed log-probability under teacher forcing."""
        with torch.inference_mode():
            ids, lengths = self._batch(sources)
            prefix, _ = self._batch([[END, *target[:-1]] for target in targets])
            target_ids, target_lengths = self._batch(targets)
            log_probabilities = self.network(ids, lengths, prefix).float().log_softmax(dim=-1)
            parts = log_probabilities.gather(2, target_ids[..., None])[..., 0]
            real = torch.arange(target_ids.shape[1], device=self.device) < target_lengths[:, None]
            totals = (parts * real).sum(dim=1).tolist()
        return [Generated(target, total) for target, total in zip(targets, totals, strict=True)]

    def _batch(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        return padded(rows, PAD)[0].to(self.device), lengths

    def _encode(self, text: str, field: str) -> Encoding:
        if not text.strip():
            raise EmptyInput("the text is empty; give at least one word", field=field)
        limit = self.network.config.max_positions
        encoding = self.tokenizer.encode(text)
        if len(encoding.ids) > limit:
            raise InputTooLong(
                f"the text has {len(encoding.ids):,} tokens, the model has positions for {limit}: shorten it or split "
                "it into sentences",
                field=field,
            )
        return encoding

    def _prediction(self, request: Request, source: Encoding, output: Generated) -> Prediction:
        if request.target is None:
            text, target = self.tokenizer.decode(output.ids), self.tokenizer.describe(output.ids)
        else:
            text, target = request.target, self.tokenizer.encode(request.target)
        prefix = Encoding(
            [END, *target.ids[:-1]], [SPECIAL[END], *target.labels[:-1]], [(0, 0), *target.spans[:-1]]
        )  # fmt: skip
        axes = {"source": _axis(source), "target": _axis(target), "prefix": _axis(prefix)}
        return Prediction(text, target.labels, output.score, axes, finish_reason=output.finish_reason)


def _axis(encoding: Encoding) -> Axis:
    special = [token < len(SPECIAL) for token in encoding.ids]
    return Axis("text", encoding.labels, encoding.ids, encoding.spans, special)
