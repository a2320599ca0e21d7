"""The three tiny models that the lab trains, beside PyTorch's gradients and its Adam on the same draws."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from playwright.sync_api import Page
from torch import Tensor

from tests.browser.test_lab import normal, number, table, uniform

pytestmark = pytest.mark.browser
WIDTH, KEYS, NOISE = 8, 16, 0.3
Examples = tuple[Tensor, Tensor, Tensor]


def task(draw: Iterator[float]) -> Callable[[int], Examples]:
    """Draws examples as the page does: (B, WIDTH) queries, (B, KEYS, WIDTH) keys, (B) which key is the right one."""
    hidden_map = normal(draw, WIDTH, WIDTH) / math.sqrt(WIDTH)

    def examples(many: int) -> Examples:
        queries, sets, targets = [], [], []
        for _ in range(many):
            keys = normal(draw, KEYS, WIDTH)
            target = math.floor(next(draw) * KEYS)
            queries.append(hidden_map @ keys[target] + NOISE * normal(draw, 1, WIDTH)[0])
            sets.append(keys)
            targets.append(target)
        return torch.tensor(np.array(queries)), torch.tensor(np.array(sets)), torch.tensor(targets)

    return examples


class Head(torch.nn.Module):
    """One head with a score of its own, drawn as the page draws it."""

    def __init__(self, kind: str, hidden: int) -> None:
        super().__init__()
        draw = uniform(2)

        def drawn(many: int, over: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.tensor(normal(draw, 1, many)[0] / math.sqrt(over)))

        self.kind, self.hidden = kind, hidden
        self.q, self.k = drawn(hidden * WIDTH, WIDTH), drawn(hidden * WIDTH, WIDTH)
        if kind == "additive":
            self.v, self.b = drawn(hidden, hidden), drawn(hidden, 1)

    def forward(self, examples: Examples) -> tuple[Tensor, Tensor]:
        queries, keys, targets = examples
        a = queries @ self.q.view(-1, WIDTH).T
        b = keys @ self.k.view(-1, WIDTH).T
        if self.kind == "additive":
            scores = torch.tanh(a[:, None] + b + self.b) @ self.v
        else:
            scores = torch.einsum("bh,bkh->bk", a, b) / (math.sqrt(self.hidden) if self.kind == "scaled" else 1)
        found = (scores.argmax(dim=1) == targets).double().mean()
        return torch.nn.functional.cross_entropy(scores, targets), found


def test_training_is_pytorchs_on_the_same_draws(lab: Callable[..., Page]) -> None:
    page = lab()
    page.locator("#choice input[value='16']").check(force=True)
    page.locator("#choice button.main").click()
    page.wait_for_selector("#choice .figure-room[data-state=ready]", timeout=120_000)
    lines, ends = table(page, "#choice .chart"), table(page, "#choice .scroll")
    assert [row[0] for row in lines] == [str(step) for step in range(0, 301, 10)]
    assert [int(row[1]) for row in ends] == [256, 256, 288]
    draws = task(uniform(1))
    held = draws(128)
    heads = [Head(kind, 16) for kind in ("scaled", "dot", "additive")]
    optimisers = [torch.optim.Adam(head.parameters(), lr=0.01) for head in heads]
    losses: list[list[float]] = []
    for step in range(301):
        if step % 10 == 0:
            with torch.no_grad():
                losses.append([float(head(held)[0]) for head in heads])
                shares = [float(head(held)[1]) for head in heads]
        examples = draws(16)
        for head, optimiser in zip(heads, optimisers, strict=True):
            optimiser.zero_grad()
            head(examples)[0].backward()
            optimiser.step()
    shown = np.array([[number(cell) for cell in row[1:]] for row in lines])
    np.testing.assert_allclose(shown, losses, rtol=2e-2)
    np.testing.assert_allclose([number(row[3]) for row in ends], shares, atol=0.02)
    assert (shown[-1] < shown[0]).all()
