"""The objective's value in a model's logits, to be differentiated: what a trace's gradients are of."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.errors import ParameterError, RangeError
from heedmap.model.objective import Objective

FIELD = "objective"
TokenOf = Callable[[int | str, str], int]
"""The id of a word or of an id that is one already; the second argument is the field to blame."""


def of_tokens(
    objective: Objective, logits: Float[Tensor, "T V"], ids: Sequence[int], token_of: TokenOf, told: int = 0
) -> Float[Tensor, ""]:
    """The summed log-probability of the chosen output tokens, less that of others at their places; nats.

    Args:
        logits: at each output token, what it was chosen from.
        ids: of the output tokens.
        told: so many of the first were not the model's to choose: "all" is without them.

    Raises:
        ParameterError: the objective is of a class, or compares with what is no token. RangeError: it is beyond the
            output.
    """
    if objective.tokens is None:
        raise ParameterError(
            'this model writes tokens and knows no classes: {"tokens": "all"}, or some of them', field=f"{FIELD}.label"
        )
    places = _places(objective.tokens, len(ids), told)
    wide = torch.promote_types(logits.dtype, torch.float32)
    rows = logits[torch.tensor(places, device=logits.device)].to(wide)
    chosen = torch.tensor([ids[place] for place in places], device=logits.device)
    scores = rows.gather(1, chosen[:, None])
    if objective.minus is None:
        return (scores[:, 0] - rows.logsumexp(dim=1)).sum()
    if len(objective.minus) not in (1, len(places)):  # "all", whose number nobody knew before
        raise ParameterError(
            f"{len(places)} tokens are compared with one word or with {len(places)}, not with {len(objective.minus)}",
            field=f"{FIELD}.minus",
        )
    others = [token_of(word, f"{FIELD}.minus.{index}") for index, word in enumerate(objective.minus)]
    others = others * (len(places) // len(others))
    return (scores - rows.gather(1, torch.tensor(others, device=rows.device)[:, None])).sum()


def _places(tokens: str | Sequence[int], length: int, told: int) -> list[int]:
    if not length:
        raise RangeError("the output is empty: it has no token to take a gradient of", field=f"{FIELD}.tokens")
    if isinstance(tokens, str):
        return list(range(told, length))
    for index, token in enumerate(tokens):
        if not -length <= token < length:
            raise RangeError(
                f"token {token} does not exist: the output has {length}, 0 to {length - 1}",
                field=f"{FIELD}.tokens.{index}",
            )
    return [token % length for token in tokens]


def of_label(objective: Objective, logits: Float[Tensor, "N"], names: Sequence[str]) -> Float[Tensor, ""]:
    """A class's logit, less that of another.

    Args:
        names: of the classes.

    Raises:
        ParameterError: the objective is of tokens, or names a class that there is not.
    """
    if objective.label is None:
        raise ParameterError(
            f'this model chooses among classes and writes no tokens: {{"label": "{names[0]}"}}', field=f"{FIELD}.tokens"
        )
    value = logits[label_index(objective.label, names, f"{FIELD}.label")]
    if objective.minus is not None:
        value = value - logits[label_index(objective.minus[0], names, f"{FIELD}.minus.0")]
    return value.to(torch.promote_types(value.dtype, torch.float32))


def label_index(label: int | str, names: Sequence[str], field: str) -> int:
    """The place of a class among the model's, by name or number.

    Raises:
        ParameterError: there is none such.
    """
    if isinstance(label, int) and 0 <= label < len(names):
        return label
    if isinstance(label, str) and label in names:
        return list(names).index(label)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise ParameterError(f"there is no class {label!r}: this model knows {shown}", field=field)


def described(objective: Objective, value: Float[Tensor, ""]) -> dict[str, Any]:
    """The objective as a trace's summary has it, with its value."""
    return {**objective.to_json(), "value": float(value.detach())}
