"""Texts perturbed where a model reads them: tokens replaced by HotFlip, embeddings moved by noise, FGSM and PGD."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedmap.app.service.finite import fault
from heedmap.app.service.jobs.kind import Work
from heedmap.app.service.jobs.robustness.curves import Sample, Token
from heedmap.app.service.jobs.robustness.request import Name, RobustnessRequest
from heedmap.model.contract import Request
from heedmap.model.edits import Replace
from heedmap.model.errors import HeedmapError
from heedmap.model.robustness.embeddings import EmbeddedPass, fgsm, gaussian, pgd
from heedmap.model.robustness.hotflip import Flip, flips
from heedmap.model.robustness.text import share_of
from heedmap.model.trace.trace import Trace

Judge = Callable[[Sample, Trace | HeedmapError], None]


@dataclass(frozen=True)
class Attacked:
    """One text that is attacked: its number, its pass as a function of its embeddings, and its tokens."""

    number: int
    text: str
    one: EmbeddedPass
    tokens: Sequence[Token]


def attack(
    body: RobustnessRequest, work: Work, attacked: Attacked, name: Name, judge: Judge, rows: list[dict[str, Any]]
) -> Iterator[list[Sample]]:
    """The samples of one perturbation, some at a time; nothing between them, where others may have their turn.

    rows: where replaced tokens are noted.

    Raises:
        Cancelled: the job is over. HeedmapError: there is no gradient.
    """
    if name == "hotflip":
        yield from _replaced(body, work, attacked, judge, rows)
        return
    one, plain = attacked.one, attacked.one.measure(attacked.one.embeddings)
    for cell in body.cells(name):
        strength = body.amounts[cell[1]]
        seed = int(np.random.SeedSequence([attacked.number, *cell]).generate_state(1)[0])
        if name == "embedding_noise":
            embeddings = gaussian(one, strength, seed)
        elif name == "fgsm":
            embeddings = fgsm(one, strength, body.norm).embeddings
        else:
            embeddings = pgd(one, strength, seed, body.norm, body.steps, work.stop).embeddings
        sample = Sample(attacked.number, cell, None, change=one.measure(embeddings) - plain)
        judge(sample, _checked(one.trace(embeddings, work.stop)))
        yield [sample]


def _replaced(
    body: RobustnessRequest, work: Work, attacked: Attacked, judge: Judge, rows: list[dict[str, Any]]
) -> Iterator[list[Sample]]:
    """Tokens replaced one after the other, as many as the strength says and one at least; each count by a real pass."""
    one, by_position = attacked.one, {token.position: token for token in attacked.tokens}
    ids = one.prediction.axes[one.axis].ids[: len(one.embeddings)]
    most = int(one.movable.sum())
    wanted = {cell: max(1, share_of(body.amounts[cell[1]], most)) for cell in body.cells("hotflip")}
    made: list[Flip] = []
    outcomes: dict[int, Trace | HeedmapError] = {}
    for flip in flips(one, ids, max(wanted.values()), work.stop):
        made.append(flip)
        if len(made) in wanted.values():
            outcomes[len(made)] = _real_pass(body, work, attacked, made)
        yield []
    if not made:
        return
    if len(made) not in outcomes:
        outcomes[len(made)] = _real_pass(body, work, attacked, made)
    for cell, count in wanted.items():
        count = min(count, len(made))
        touched = [by_position[flip.position].span for flip in made[:count] if flip.position in by_position]
        sample = Sample(attacked.number, cell, touched, change=made[count - 1].measured or 0.0)
        judge(sample, outcomes[count])
        yield [sample]
    last = outcomes[len(made)]
    answers = {count: each.prediction.text for count, each in outcomes.items() if isinstance(each, Trace)}
    labels = last.axes[one.axis].labels if isinstance(last, Trace) else None
    rows += [
        {
            "input": attacked.number,
            "token": flip.position,
            "label": by_position[flip.position].label if flip.position in by_position else str(ids[flip.position]),
            "by": str(flip.token) if labels is None else labels[flip.position],
            "estimated": flip.estimated,
            "measured": flip.measured,
            "answer": answers.get(count),
        }
        for count, flip in enumerate(made, 1)
    ]


def _real_pass(body: RobustnessRequest, work: Work, attacked: Attacked, made: Sequence[Flip]) -> Trace | HeedmapError:
    """What the model answers to the text with these tokens in it."""
    edits = tuple(Replace(kind="replace", token=flip.position, by=flip.token) for flip in made)
    [outcome] = work.record([Request(attacked.text, None, body.parameters, edits=edits)])
    return outcome


def _checked(outcome: Trace | HeedmapError) -> Trace | HeedmapError:
    return fault(outcome) or outcome
