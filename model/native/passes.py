"""Recorded passes of a translator: together, or of one request alone, edited and differentiated; tokens replaced."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention.editor import Editor
from heedmap.model.contract import AnyEdit, Objective, Prediction, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import RangeError
from heedmap.model.generated import Generated
from heedmap.model.native.tokenizer import END, PAD, Encoding, Tokenizer
from heedmap.model.observer import stage
from heedmap.model.padding import padded
from heedmap.model.trace import gradient
from heedmap.model.trace.copying import Unembedding
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace


class RecordedPasses:
    """What passes over outputs have in common, whatever the network reads: a recorder, an objective, edits, facts.

    A pass is a function of the recorder and the editor, and returns the logits of each output.

    sites: of each site the names of its query and key axes. facts: about the model, for its traces.
    """

    tokenizer: Tokenizer
    sites: Mapping[str, tuple[str, str]]
    facts: Mapping[str, Any]
    unembedding: Unembedding

    def _together(self, predictions: Sequence[Prediction], teach: Callable[[Recorder], object]) -> list[Trace]:
        recorder = Recorder(unembedding=self.unembedding)
        with torch.inference_mode():
            with stage("record"):
                teach(recorder)
            return [recorder.trace(row, p, self.sites, **self.facts) for row, p in enumerate(predictions)]

    def _alone(
        self,
        request: Request,
        prediction: Prediction,
        editor: Editor | None,
        teach: Callable[[Recorder, Editor | None], Tensor],
    ) -> Trace:
        objective, axes = request.objective, prediction.axes
        if editor is not None:
            editor.check({site: (len(axes[q]), len(axes[k])) for site, (q, k) in self.sites.items()})
        recorder = Recorder(gradients=objective is not None, unembedding=self.unembedding)
        described = None
        with torch.inference_mode(objective is None), torch.set_grad_enabled(objective is not None):
            with stage("record"):
                logits = teach(recorder, editor)[0]
            if objective is not None:
                value = gradient.of_tokens(objective, logits, axes["target"].ids, self.tokenizer.one)
                with stage("differentiate"):
                    recorder.differentiate(value)
                described = gradient.described(objective, value)
        edits = [edit.to_json() for edit in request.edits]
        return recorder.trace(0, prediction, self.sites, described, edits, **self.facts)


class Passes(RecordedPasses):
    """Teacher-forced passes of an encoder-decoder over inputs and outputs.

    Args:
        network: a `Transformer` or a `Recurrent`.
        sites: of each site the names of its query and key axes.
        facts: about the model, for its traces.
    """

    def __init__(self, network: Any, tokenizer: Tokenizer, sites: Mapping[str, tuple[str, str]], **facts: str) -> None:
        self.network, self.tokenizer, self.sites = network, tokenizer, sites
        self.unembedding = Unembedding(network.output_weight)
        self.facts: dict[str, Any] = {"task": "translation", **facts}

    def together(self, predictions: Sequence[Prediction]) -> list[Trace]:
        """One pass over all of them."""
        return self._together(predictions, partial(self._teach, predictions))

    def alone(self, request: Request, prediction: Prediction, editor: Editor | None) -> Trace:
        """One pass of a request's own, edited, and differentiated where it has an objective.

        Raises:
            InputError: the objective or an edit is none of this output, or an edit leaves a row nothing to see.
        """
        return self._alone(request, prediction, editor, partial(self._teach, [prediction]))

    def value(self, objective: Objective, prediction: Prediction) -> Tensor:
        """The objective in one pass, which nobody records.

        Raises:
            InputError: it is none of this output.
        """
        logits = self._teach([prediction], None)[0]
        return gradient.of_tokens(objective, logits, prediction.axes["target"].ids, self.tokenizer.one)

    def recorded(self, prediction: Prediction) -> Recorder:
        """What one pass over a prediction recorded."""
        recorder = Recorder()
        with torch.inference_mode():
            self._teach([prediction], recorder)
        return recorder

    def score(
        self, sources: Sequence[list[int]], targets: Sequence[list[int]], editor: Editor | None = None
    ) -> list[Generated]:
        """Given outputs, each with its summed log-probability."""
        device = self.network.output_weight.device
        with torch.inference_mode():
            ids, lengths = padded_ids(sources, device)
            prefix, _ = padded_ids([[END, *target[:-1]] for target in targets], device)
            target_ids, target_lengths = padded_ids(targets, device)
            log_probabilities = self.network(ids, lengths, prefix, None, editor).float().log_softmax(dim=-1)
            parts = log_probabilities.gather(2, target_ids[..., None])[..., 0]
            real = torch.arange(target_ids.shape[1], device=device) < target_lengths[:, None]
            totals = (parts * real).sum(dim=1).tolist()
        return [Generated(list(target), total) for target, total in zip(targets, totals, strict=True)]

    def _teach(
        self, predictions: Sequence[Prediction], recorder: Recorder | None, editor: Editor | None = None
    ) -> Tensor:
        """Logits at every token of the outputs."""
        device = self.network.output_weight.device
        source, lengths = padded_ids([p.axes["source"].ids for p in predictions], device)
        prefix, _ = padded_ids([p.axes["prefix"].ids for p in predictions], device)
        logits: Tensor = self.network(source, lengths, prefix, recorder, editor)
        return logits


def begun(
    network: Any, ids: Tensor, lengths: Tensor, editor: Editor | None = None, embeddings: Tensor | None = None
) -> Any:
    """The state of an encoder-decoder before the first token, of source ids (B K)."""
    memory = network.encode(ids, lengths, None, editor, embeddings)
    return network.start(memory, lengths, editor, *([ids] if copies(network) else []))


def copies(network: Any) -> bool:
    """Whether it mixes what it writes with what one of its heads copies."""
    return getattr(network.config, "copying", None) is not None


def padded_ids(rows: Sequence[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids, padded on the right, and their lengths."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return padded(rows, PAD)[0].to(device), lengths


def replaced(encoding: Encoding, edits: Sequence[AnyEdit], tokenizer: Tokenizer) -> Encoding:
    """The input with other tokens in the place of some, which keep their spans.

    Raises:
        InputError: there is no such token, or it is none of the vocabulary.
    """
    for place, edit in enumerate(edits):
        if not isinstance(edit, Replace):
            continue
        if edit.token >= len(encoding.ids):
            raise RangeError(
                f"token {edit.token} does not exist: the input has {len(encoding.ids)}, 0 to {len(encoding.ids) - 1}",
                field=f"edits.{place}.token",
            )
        ids, labels = list(encoding.ids), list(encoding.labels)
        ids[edit.token] = tokenizer.one(edit.by, f"edits.{place}.by")
        labels[edit.token] = tokenizer.label(ids[edit.token])
        encoding = replace(encoding, ids=ids, labels=labels)
    return encoding
