"""HotFlip: the token whose replacement by another of the vocabulary hurts the answer most, by one backward pass.

    objective(e_i -> e_v) - objective ~ <e_v - e_i, d objective / d e_i>

Source: Ebrahimi, Rao, Lowd and Dou, HotFlip: white-box adversarial examples for text classification, ACL 2018; of the
tokens, where theirs is of characters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.robustness.embeddings import EmbeddedPass, Embeddings
from heedmap.model.watch import Stop, never, raise_if_cancelled

CANDIDATES = 8  # that are tried by a pass: a token is far from another, and the gradient knows what is near
ROWS = 8192  # of the vocabulary at once: 64 MiB of float32 at a width of 2,048


@dataclass(frozen=True)
class Flip:
    """A token of the input that is replaced, by its position, and the id in its place.

    estimated: the objective's change to first order; measured: its real one, of all flips so far together.
    """

    position: int
    token: int
    estimated: float
    measured: float | None = None


def best_flips(
    one: EmbeddedPass, ids: Sequence[int], count: int = 1, embeddings: Embeddings | None = None, but: Sequence[int] = ()
) -> list[Flip]:
    """The replacements that lower the objective most to first order, the lowest first.

    Args:
        ids: of the input as it is, with what was replaced already; embeddings: theirs.
        but: positions that are left alone.
    """
    here = one.embeddings if embeddings is None else embeddings
    _, gradient = one.gradient(here)
    movable = one.movable.clone()
    movable[list(but)] = False
    allowed, current = one.allowed().to(gradient.device), torch.tensor(list(ids), device=gradient.device)
    base = (gradient * here).sum(dim=-1)
    values: list[Float[Tensor, "C"]] = []
    places: list[Tensor] = []
    for start in range(0, len(allowed), ROWS):
        tokens = torch.arange(start, min(start + ROWS, len(allowed)), device=gradient.device)
        changes = gradient @ one.embed(tokens).to(gradient).T - base[:, None]  # (N R)
        same = current[:, None] == tokens
        changes = changes.masked_fill(~movable[:, None] | ~allowed[tokens] | same, torch.inf)
        lowest, at = changes.flatten().topk(min(count, changes.numel()), largest=False)
        values.append(lowest)
        places.append(torch.stack([at // len(tokens), tokens[at % len(tokens)]], dim=1))
    order = torch.cat(values).argsort()[:count]
    rows = zip(torch.cat(values)[order].tolist(), torch.cat(places)[order].tolist(), strict=True)
    return [Flip(position, token, change) for change, (position, token) in rows if change != float("inf")]


def flips(one: EmbeddedPass, ids: Sequence[int], count: int, cancelled: Stop = never) -> Iterator[Flip]:
    """One replacement after the other: of those that the gradient at the text so far names, the one that a pass finds
    worst. No position twice.

    Raises:
        Cancelled: `cancelled` became true between two passes.
    """
    so_far, done = list(ids), list[int]()
    embeddings, plain = one.embeddings, one.measure(one.embeddings)
    for _ in range(count):
        tried: list[tuple[Flip, Embeddings]] = []
        for flip in best_flips(one, so_far, CANDIDATES, embeddings, done):
            raise_if_cancelled(cancelled)
            changed = embeddings.clone()
            changed[flip.position] = one.embed(torch.tensor([flip.token], device=changed.device))[0].to(changed)
            tried.append((replace(flip, measured=one.measure(changed) - plain), changed))
        if not tried:
            return
        flip, embeddings = min(tried, key=lambda pair: pair[0].measured or 0.0)
        so_far[flip.position] = flip.token
        done.append(flip.position)
        yield flip
