"""What explains a transformers model from outside of its attention: a token that says nothing, scaled embeddings."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from heedmap.model.contract import Request
from heedmap.model.errors import ParameterError
from heedmap.model.hub.attention.bands import banded
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.quiet import quiet
from heedmap.model.hub.tasks.base import SinglePass, Task
from heedmap.model.trace.embeddings import AlongEmbeddings, InputTokens, ScaledPass, along, unedited
from heedmap.model.trace.interactions import gim_passes
from heedmap.model.watch import Stop, never, raise_if_cancelled


class Probing:
    """The part of a served model that faithfulness and integrated gradients need."""

    loaded: Loaded
    runner: Task
    state: Any
    bands: Any

    @property
    def stand_in(self) -> int | None:
        """The id of its mask token, or else of what it does not know; None where it has neither."""
        ids = (getattr(self.loaded.tokenizer, name, None) for name in ("mask_token_id", "unk_token_id"))
        return next((id for id in ids if isinstance(id, int)), None)

    def along_embeddings(
        self,
        request: Request,
        tokens: InputTokens,
        scales: Sequence[float],
        cancelled: Stop = never,
        gim: bool = False,
    ) -> AlongEmbeddings:
        """The objective of a request with some of its tokens' embeddings scaled, a pass for each scale.

        Raises:
            InputError: the model reads no tokens, or there is no such objective. Cancelled: `cancelled` became true.
        """
        objective, runner = request.objective, self.runner
        if objective is None:
            raise ParameterError("there is no objective to differentiate", field="objective")
        unedited(request)
        tables = _tables(self.loaded.model)
        points = []
        with quiet(), banded(self.bands):
            self.state.restore()
            with torch.inference_mode():
                item = runner.replaced(runner.prepare(request))
                predictions, made = runner.trace([item], cancelled)
            for scale in scales:
                raise_if_cancelled(cancelled)
                self.state.restore()
                one = ScaledPass(tokens, scale)
                with torch.inference_mode(False), torch.enable_grad():
                    inputs = {n: x.clone() if isinstance(x, torch.Tensor) else x for n, x in made.items()}
                    with one.through(tables), gim_passes(self.loaded.model, gim):
                        outputs = runner.forward(runner.answering(inputs, predictions))
                    if isinstance(runner, SinglePass) and not predictions:
                        with torch.no_grad():
                            predictions = runner.read(outputs, [item])
                    value = runner.value(objective, outputs, item, predictions[0])
                    points.append((value, one.slopes(value)))
        return along(points)


def _tables(model: Any) -> list[nn.Module]:
    """The modules that look ids up: that of the input, and what shares its weights.

    Raises:
        ParameterError: there is none.
    """
    try:
        table = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        table = None
    if not isinstance(table, nn.Embedding):
        raise ParameterError("this model looks its input up in no table of embeddings", field="measures")
    place = table.weight.data_ptr()
    return [part for part in model.modules() if isinstance(part, nn.Embedding) and part.weight.data_ptr() == place]
