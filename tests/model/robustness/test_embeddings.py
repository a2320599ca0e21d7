"""Moved embeddings: gradients against finite differences, balls, and attacks that hurt more than noise."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from heedmap.model.contract import Parameters, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import InputError, ParameterError
from heedmap.model.load import embedded, load
from heedmap.model.robustness.embeddings import EmbeddedPass, fgsm, gaussian, pgd, project
from heedmap.model.robustness.hotflip import best_flips, flips
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.serving import served
from tests.writer import tiny as tiny_writer

WEIGHTS = Path(__file__).parents[3] / "model" / "weights"
TEXT, ENGLISH = "Wo ist der Bahnhof?", "The girl is reading a book."
SIX = Parameters(max_new_tokens=6)


def double(model: Any) -> Any:
    """One of our own models in float64."""
    model.network.double()
    model.dtype, model.engine = torch.float64, None  # which is packed in float32
    return model


def hub(name: str, task: str, head: str | None = None) -> Callable[[Path], tuple[Any, Any]]:
    """Makes a model of transformers' with an input."""
    inputs: Any = "The girl is reading a [MASK]." if head == "masked" else ENGLISH
    if task == "question-answering":
        inputs = {"question": "Who is reading?", "context": ENGLISH}
    options = {} if head is None else {"head": head}
    return lambda folder: (served(getattr(checkpoints, name)(folder, **options), task), inputs)


HUB = {
    "llama": hub("llama", "text-generation"),
    "t5": hub("t5", "text2text-generation"),
    "bart": hub("bart", "summarization"),
    "classes": hub("bert", "text-classification", "sequence-classification"),
    "entities": hub("bert", "token-classification", "token-classification"),
    "masks": hub("bert", "fill-mask", "masked"),
    "answers": hub("bert", "question-answering", "question-answering"),
}


@pytest.fixture(scope="module", params=["tiny", "gru", "writer", *HUB])
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, EmbeddedPass]:
    """A model and the pass of a text, of every kind that there is; our own in float64."""
    if request.param in HUB:
        model, inputs = HUB[request.param](tmp_path_factory.mktemp("hub") / "model")
        model.loaded.model.double()
    else:
        fixture = {"tiny": "tiny", "gru": "tiny_gru"}.get(request.param)
        folder = (
            tiny_writer(tmp_path_factory.mktemp("writer") / "w")
            if fixture is None
            else request.getfixturevalue(fixture)
        )
        model, inputs = double(load(folder)), TEXT
    return request.param, model, embedded(model, Request(inputs, None, SIX))


def test_the_gradient_is_that_of_finite_differences(one: tuple[str, Any, EmbeddedPass]) -> None:
    name, _, passed = one
    step = {"llama": 1e-3}.get(name, 1e-5) * passed.length
    rounded = name in ("llama", "t5")  # whose norms are computed in float32
    assert passed.embeddings.dtype == torch.float64
    value, gradient = passed.gradient()
    assert value == pytest.approx(passed.measure(passed.embeddings), abs=1e-5 if rounded else 1e-9)
    draw = torch.Generator().manual_seed(1)
    for _ in range(3):
        direction = torch.randn(gradient.shape, generator=draw, dtype=torch.float64)
        ends = [passed.measure(passed.embeddings + sign * step * direction) for sign in (1, -1)]
        right = pytest.approx(float((gradient * direction).sum()), rel=2e-2 if rounded else 1e-3, abs=1e-6)
        assert (ends[0] - ends[1]) / (2 * step) == right


def test_unmoved_embeddings_are_the_text_itself(one: tuple[str, Any, EmbeddedPass]) -> None:
    _, _, passed = one
    trace = passed.trace(passed.embeddings)
    assert isinstance(trace, Trace)
    assert trace.prediction.text == passed.prediction.text
    assert (
        trace.axes[passed.axis].ids[: len(passed.embeddings)]
        == passed.prediction.axes[passed.axis].ids[: len(passed.embeddings)]
    )
    assert trace.certificate.relative_error < 1e-5
    moved = passed.trace(gaussian(passed, 1.0, 0))
    assert isinstance(moved, Trace)
    site = next(iter(trace.layers))
    assert trace.layers[site][0].q.shape[-1] == moved.layers[site][0].q.shape[-1]
    assert not torch.equal(trace.layers[site][0].q[:, :2], moved.layers[site][0].q[:, :2])


def test_a_model_is_left_as_it_was(one: tuple[str, Any, EmbeddedPass]) -> None:
    name, model, passed = one
    before = model.predict([passed.request if name not in HUB else passed.item.request])[0]  # type: ignore[attr-defined]
    passed.trace(gaussian(passed, 1.0, 0))
    after = model.predict([passed.request if name not in HUB else passed.item.request])[0]  # type: ignore[attr-defined]
    assert (before.text, before.score) == (after.text, after.score)
    assert before.text == passed.prediction.text
    if name in HUB:
        assert not any(module._forward_hooks for module in model.loaded.model.modules() if module is passed.table)  # type: ignore[attr-defined]


def test_attacks_hurt_more_than_noise_of_their_size(one: tuple[str, Any, EmbeddedPass]) -> None:
    name, _, passed = one
    strength, balls = 0.05, ("l2", "linf") if name in ("tiny", "classes") else ("l2",)
    noise = [passed.measure(gaussian(passed, strength, seed)) for seed in range(5)]
    for ball in balls:
        stepped = passed.measure(fgsm(passed, strength, ball).embeddings)
        walked = pgd(passed, strength, 0, ball, steps=4)
        assert stepped < min(sum(noise) / len(noise), passed.measure(passed.embeddings))
        assert walked.value is not None
        assert walked.value == pytest.approx(passed.measure(walked.embeddings), abs=1e-5)
        assert walked.value < sum(noise) / len(noise)
    again = pgd(passed, strength, 0, balls[-1], steps=4)
    torch.testing.assert_close(again.embeddings, walked.embeddings)


@pytest.mark.parametrize("ball", ["l2", "linf"])
def test_attacks_stay_in_their_ball(tiny: Path, ball: Any) -> None:
    passed = embedded(load(tiny), Request(TEXT, None, SIX))
    radius, width = 0.2 * passed.length, passed.embeddings.shape[1]
    for found in (fgsm(passed, 0.2, ball).embeddings, pgd(passed, 0.2, 1, ball).embeddings):
        offset = found - passed.embeddings
        assert not offset[~passed.movable].any()
        if ball == "l2":
            assert torch.linalg.vector_norm(offset, dim=-1).max() <= radius * (1 + 1e-4)
        else:
            assert offset.abs().max() <= radius / math.sqrt(width) * (1 + 1e-4)
    norms = torch.linalg.vector_norm(gaussian(passed, 0.2, 3) - passed.embeddings, dim=-1)
    torch.testing.assert_close(norms[passed.movable], torch.full_like(norms[passed.movable], radius))


def test_projections_by_hand() -> None:
    offset = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(project(offset, 1.0, "l2"), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))
    corner = 1 / math.sqrt(2)
    torch.testing.assert_close(project(offset, 1.0, "linf"), torch.tensor([[corner, corner], [0.3, 0.4], [0.0, 0.0]]))


def test_fgsm_hurts_the_shipped_translator_more_than_noise() -> None:
    passed = embedded(load(WEIGHTS / "de-en"), Request("Der Hund schläft heute im Garten.", None, Parameters()))
    for strength in (0.1, 0.3):
        noise = [passed.measure(gaussian(passed, strength, seed)) for seed in range(5)]
        stepped = passed.measure(fgsm(passed, strength).embeddings)
        assert stepped < min(noise)
        assert pgd(passed, strength, 0, steps=5).value < min(noise)  # type: ignore[operator]


@pytest.mark.parametrize(("folder", "text"), [("tiny", TEXT), ("tiny_gru", "Ich habe heute keine Zeit.")])
def test_the_best_flip_is_among_the_best_by_brute_force(
    folder: str, text: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = double(load(request.getfixturevalue(folder)))
    passed = embedded(model, Request(text, None, SIX))
    ids = passed.prediction.axes["source"].ids
    tokens = range(4, len(model.tokenizer), 3)  # a third of the vocabulary
    allowed = torch.zeros(len(model.tokenizer), dtype=torch.bool)
    allowed[list(tokens)] = True
    monkeypatch.setattr(passed, "allowed", lambda: allowed)
    rows = passed.embed(torch.arange(len(model.tokenizer)))
    real, plain = {}, passed.measure(passed.embeddings)
    for position in torch.nonzero(passed.movable)[:, 0].tolist():
        for token in tokens:
            if token != ids[position]:
                changed = passed.embeddings.clone()
                changed[position] = rows[token]
                real[position, token] = passed.measure(changed) - plain
    order = sorted(real, key=lambda place: real[place])
    [flip] = flips(passed, ids, 1)
    assert flip.measured == pytest.approx(real[flip.position, flip.token])
    assert order.index((flip.position, flip.token)) < len(order) / 50, "among the best two in a hundred"
    every = best_flips(passed, ids, len(real))
    assert len(every) == len(real)
    estimated = [each.estimated for each in every]
    assert estimated == sorted(estimated)
    measured = [real[each.position, each.token] for each in every]
    assert torch.corrcoef(torch.tensor([estimated, measured]))[0, 1] > 0.5


def test_a_flip_is_what_a_pass_with_the_token_replaced_makes(one: tuple[str, Any, EmbeddedPass]) -> None:
    name, model, passed = one
    ids = passed.prediction.axes[passed.axis].ids[: len(passed.embeddings)]
    made = list(flips(passed, ids, 2))
    assert len({flip.position for flip in made}) == len(made) == 2
    assert made[0].measured is not None
    if name not in ("tiny", "gru", "writer", "bart", "t5"):
        return
    inputs, written = TEXT if name not in HUB else ENGLISH, "Wo ist der Bahnhof?"
    taught = embedded(model, Request(inputs, written, SIX))
    both = list(flips(taught, ids, 2))
    edits = tuple(Replace(kind="replace", token=flip.position, by=flip.token) for flip in both)
    plain, other = model.predict([Request(inputs, written, SIX), Request(inputs, written, SIX, edits=edits)])
    assert both[-1].measured == pytest.approx(other.score - plain.score, abs=1e-3)


def test_a_model_without_embeddings_says_so(tmp_path: Path) -> None:
    seeing = served(media_checkpoints.vit(tmp_path / "vit"), "image-classification")
    with pytest.raises(ParameterError, match="reads no text alone") as caught:
        embedded(seeing, Request({"image": seeing.runner.example["image"]}))
    assert caught.value.field == "perturbations"
    vectors = served(checkpoints.bert(tmp_path / "bert"), "feature-extraction")
    with pytest.raises(ParameterError, match="nothing that has a gradient"):
        embedded(vectors, Request(ENGLISH))
    with pytest.raises(InputError, match="empty"):
        embedded(vectors, Request(""))


def test_strengths_and_inputs_out_of_range(tiny: Path) -> None:
    model = load(tiny)
    passed = embedded(model, Request("Wo?", None, SIX))
    for attack in (lambda: gaussian(passed, 1.5, 0), lambda: fgsm(passed, -0.1), lambda: pgd(passed, 2.0, 0)):
        with pytest.raises(ParameterError, match="from 0 to 1"):
            attack()
