"""The job that attacks texts by gradients: as its parts say, and a clear error where there is no gradient."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from heedmap.app.service.jobs.kind import Progress, Work
from heedmap.app.service.jobs.robustness.job import Robustness
from heedmap.app.service.jobs.robustness.request import RobustnessRequest
from heedmap.model.contract import Parameters, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import Cancelled, InputError, ParameterError
from heedmap.model.load import embedded, load
from heedmap.model.robustness.hotflip import flips
from tests.model.hub import checkpoints
from tests.model.hub.serving import served

TEXT = "Wo ist der Bahnhof?"
SIX = Parameters(max_new_tokens=6)
ATTACKS = ["hotflip", "embedding_noise", "fgsm", "pgd"]


def run(work: Work, **fields: Any) -> tuple[dict[str, Any], list[Progress]]:
    """What a request leads to, and the progress on the way."""
    body = RobustnessRequest(**{"inputs": [TEXT], "strengths": [0.1, 0.4], "seeds": 2, "parameters": SIX, **fields})
    Robustness().check(body, work.facts)
    steps, told = Robustness().steps(body, work), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told


@pytest.fixture(scope="module")
def work(tiny: Path) -> Work:
    model = load(tiny)
    return Work("tiny", model, model.describe())


def test_attacks_have_curves_with_their_objective(work: Work) -> None:
    made, told = run(work, perturbations=ATTACKS, steps=3)
    tries = 2 * (1 + 2 + 1 + 2)
    assert told[-1] == Progress(1 + tries, 1 + tries, "texts")
    assert [(row["perturbation"], row["seeds"]) for row in made["curves"][::2]] == [
        ("hotflip", 1), ("embedding_noise", 2), ("fgsm", 1), ("pgd", 2)
    ]  # fmt: skip
    fell = {(row["perturbation"], row["strength"]): row["objective"]["mean"] for row in made["curves"]}
    for strength in (0.1, 0.4):
        assert fell["fgsm", strength] < fell["embedding_noise", strength]
        assert fell["pgd", strength] < fell["embedding_noise", strength]
        assert fell["hotflip", strength] < 0
    assert all(row["divergence"]["encoder"]["mean"] > 0 for row in made["curves"])
    again, _ = run(work, perturbations=ATTACKS, steps=3)
    assert str(again["curves"]) == str(made["curves"])


def test_replaced_tokens_are_what_hotflip_found_and_a_real_pass_answers(work: Work) -> None:
    made, _ = run(work, perturbations=["hotflip"], strengths=[0.1, 0.3])
    one = embedded(work.model, Request(TEXT, None, SIX))
    right = list(flips(one, one.prediction.axes["source"].ids, len(made["flips"])))
    assert [flip["token"] for flip in made["flips"]] == [flip.position for flip in right]
    assert made["flips"][0]["estimated"] == pytest.approx(right[0].estimated, rel=1e-4)
    assert made["flips"][-1]["measured"] == pytest.approx(right[-1].measured, rel=1e-4)
    edits = tuple(Replace(kind="replace", token=flip.position, by=flip.token) for flip in right)
    [answer] = work.model.predict([Request(TEXT, None, SIX, edits=edits)])
    assert made["flips"][-1]["answer"] == answer.text  # type: ignore[union-attr]
    assert made["flips"][0]["by"] != made["flips"][0]["label"]
    assert all(token["touched"] == 1 for token in made["tokens"])


def test_a_model_of_transformers_is_attacked_too(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path / "bert", head="sequence-classification"), "text-classification")
    hub = Work("bert", model, model.describe())
    made, _ = run(hub, inputs=["The girl is reading a book."], perturbations=["swaps", *ATTACKS], steps=2)
    assert made["agreement"] == "scores"
    assert len(made["curves"]) == 10
    assert {row["by"] for row in made["flips"]}


def test_a_model_without_a_gradient_fails_the_job_with_a_clear_error(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path / "bert"), "feature-extraction")
    hub = Work("bert", model, model.describe())
    with pytest.raises(ParameterError, match="nothing that has a gradient") as caught:
        run(hub, perturbations=["fgsm"])
    assert caught.value.field == "perturbations"
    made, _ = run(hub, perturbations=["swaps"])
    assert made["agreement"] == "cosine"


def test_what_no_model_can_use_fails_by_the_first_inputs_problem(work: Work) -> None:
    long = "Ja. " * 600
    with pytest.raises(InputError, match="shorten it") as caught:
        run(work, inputs=[long], perturbations=["swaps"])
    assert caught.value.field == "inputs.0"
    made, told = run(work, inputs=[long, TEXT], perturbations=["swaps"])
    assert [row["input"] for row in made["refused"]] == [0]
    assert told[-1].done == told[-1].of
    with pytest.raises(InputError) as caught:
        run(work, inputs=[{"image": b"x"}], perturbations=["blur"])
    assert caught.value.field == "inputs.0.image"


def test_a_cancelled_job_ends_between_two_passes(work: Work) -> None:
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls > 20

    body = RobustnessRequest(inputs=[TEXT], perturbations=["pgd"], strengths=[0.1], seeds=5, parameters=SIX)
    cancelled = Work("tiny", work.model, work.facts)
    steps = Robustness().steps(body, cancelled)
    next(steps)
    cancelled.step = stop
    with pytest.raises(Cancelled):
        list(steps)
    assert calls <= 22


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": []},
        {"inputs": [" "]},
        {"inputs": [TEXT, {"image": b"x"}]},
        {"inputs": [{"question": "a", "context": "b"}]},
        {"inputs": [{"image": b"x"}] * 17},
        {"seeds": 0},
        {"strengths": [float("nan")]},
        {"strengths": []},
        {"perturbations": []},
        {"perturbations": ["scratches"]},
        {"norm": "l1"},
    ],
)
def test_a_malformed_request_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RobustnessRequest(**{"inputs": [TEXT], **fields})
