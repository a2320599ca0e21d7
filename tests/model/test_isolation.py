"""One bad input fails alone, whatever it raises: in the helper, in checkpoints of transformers', in our own models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from heedmap.model.contract import Prediction, Request
from heedmap.model.errors import Cancelled, EmptyInput, HeedmapError, ModelFailure, OutOfMemory, ParameterError
from heedmap.model.hub.served import HubModel
from heedmap.model.isolation import isolated
from heedmap.model.load import load
from heedmap.model.native import passes, translator
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.serving import request, served

GOOD, BAD, ALSO = "Where is the station?", "a bad train", "The train is late."


def run(numbers: Sequence[int]) -> list[float]:
    return [1 / number for number in numbers]


def test_what_fails_together_is_tried_one_by_one() -> None:
    first, bad, last = isolated(run, [1, 0, 2])
    assert (first, last) == (1.0, 0.5)
    assert isinstance(bad, ModelFailure)
    assert isinstance(bad.__cause__, ZeroDivisionError)
    assert bad.field == "inputs"
    assert isolated(run, []) == []


def test_where_memory_runs_out_the_halves_are_tried_once() -> None:
    sizes: list[int] = []

    def hungry(numbers: Sequence[int]) -> list[float]:
        sizes.append(len(numbers))
        if len(numbers) > 4 or 0 in numbers:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory")
        return [float(number) for number in numbers]

    answers = isolated(hungry, [1, 2, 3, 4, 0, 6, 7, 8])
    assert sizes == [8, 4, 4, 1, 1, 1, 1]
    assert answers[:4] == [1.0, 2.0, 3.0, 4.0]
    assert isinstance(answers[4], OutOfMemory)
    assert answers[5:] == [6.0, 7.0, 8.0]


def test_what_goes_well_goes_together() -> None:
    sizes: list[int] = []

    def counted(numbers: Sequence[int]) -> list[float]:
        sizes.append(len(numbers))
        return run(numbers)

    assert isolated(counted, [1, 2, 4]) == [1.0, 0.5, 0.25]
    assert sizes == [3]


def test_a_callers_mistake_stays_what_it_is_and_who_went_away_stops_all() -> None:
    mistake = EmptyInput("the text is empty; give one word", field="inputs")

    def refused(items: Sequence[Any]) -> list[Any]:
        raise mistake

    def stopped(items: Sequence[Any]) -> list[Any]:
        raise Cancelled("gone")

    assert isolated(refused, ["a", "b"]) == [mistake, mistake]
    with pytest.raises(Cancelled):
        isolated(stopped, ["a", "b"])


def neighbours_are_answered(model: Any, inputs: Sequence[Any], error: type[HeedmapError]) -> HeedmapError:
    """The middle one of three fails, in predictions and traces; the others get what they get alone. The error."""
    requests = [request(one, **({"max_new_tokens": 3} if model.task in WRITES else {})) for one in inputs]
    failed: HeedmapError | None = None
    for method, kind in ((model.predict, Prediction), (model.trace, Trace)):
        actual = method(requests)
        assert isinstance(actual[1], error), actual[1]
        failed = actual[1]
        for at in (0, 2):
            [alone] = method([requests[at]])
            assert isinstance(actual[at], kind), actual[at]
            ours, theirs = (one.prediction if isinstance(one, Trace) else one for one in (actual[at], alone))
            assert ours.text == theirs.text
            assert ours.score == pytest.approx(theirs.score, abs=1e-4)
    assert failed is not None
    return failed


WRITES = ("text-generation", "translation")
HUB = [
    ("bert", {"head": "masked"}, "fill-mask"),
    ("bert", {"head": "sequence-classification"}, "text-classification"),
    ("llama", {}, "text-generation"),
    ("bart", {}, "translation"),
]


@pytest.mark.parametrize(("family", "changes", "task"), HUB)
def test_a_token_beyond_the_embedding_fails_its_text_alone(
    tmp_path: Path, family: str, changes: dict[str, Any], task: str
) -> None:
    folder = getattr(checkpoints, family)(tmp_path, **changes)
    model = served(folder, task)
    tokenizer = model.loaded.tokenizer
    tokenizer.add_tokens(["zebra"])
    mask = f" {tokenizer.mask_token}" if task == "fill-mask" else ""
    failed = neighbours_are_answered(model, [GOOD + mask, f"a zebra{mask}", ALSO + mask], ParameterError)
    assert "the token 'zebra', number" in str(failed)
    assert f"embeddings for {len(tokenizer) - 1:,}" in str(failed)
    assert failed.field == "inputs"


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("cuda"), TypeError(), RecursionError(), MemoryError()])
def test_a_tokenizer_that_raises_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    model = served(checkpoints.bert(tmp_path, head="sequence-classification"), "text-classification")
    plain = type(model.loaded.tokenizer).__call__

    def strict(self: Any, text: str, *args: Any, **options: Any) -> Any:
        if text == BAD:
            raise error
        return plain(self, text, *args, **options)

    monkeypatch.setattr(type(model.loaded.tokenizer), "__call__", strict)
    failed = neighbours_are_answered(model, [GOOD, BAD, ALSO], ModelFailure)
    assert failed.__cause__ is error
    assert type(error).__name__ in str(failed)


@pytest.mark.parametrize(("family", "changes", "task"), HUB[1:3])
def test_a_model_that_raises_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, changes: dict[str, Any], task: str
) -> None:
    model = served(getattr(checkpoints, family)(tmp_path, **changes), task)
    bad = model.loaded.tokenizer(BAD)["input_ids"]
    table = model.loaded.model.get_input_embeddings()
    plain = table.forward

    def strict(ids: torch.Tensor) -> torch.Tensor:
        if any(bad == row[start : start + len(bad)] for row in ids.tolist() for start in range(len(row))):
            raise IndexError("no such place")
        actual: torch.Tensor = plain(ids)
        return actual

    monkeypatch.setattr(table, "forward", strict)
    failed = neighbours_are_answered(model, [GOOD, BAD, ALSO], ModelFailure)
    assert isinstance(failed.__cause__, IndexError)


def test_an_image_processor_that_raises_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = served(media_checkpoints.vit(tmp_path), "image-classification")
    plain = type(model.loaded.image_processor).__call__

    def strict(self: Any, images: Any, **options: Any) -> Any:
        if images[0].size == (33, 44):
            raise ZeroDivisionError("no side")
        return plain(self, images, **options)

    monkeypatch.setattr(type(model.loaded.image_processor), "__call__", strict)
    sizes = ((60, 40), (33, 44), (20, 30))
    pictures = [{"image": media_checkpoints.as_png(media_checkpoints.picture(*size))} for size in sizes]
    failed = neighbours_are_answered(model, pictures, ModelFailure)
    assert isinstance(failed.__cause__, ZeroDivisionError)


def test_a_model_of_our_own_that_raises_anything(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = load(str(tiny))
    plain = translator.padded_ids

    def strict(rows: list[list[int]], device: Any) -> Any:
        if model.tokenizer.encode(BAD).ids in rows:
            raise IndexError("no such place")
        return plain(rows, device)

    for module in (translator, passes):
        monkeypatch.setattr(module, "padded_ids", strict)
    failed = neighbours_are_answered(model, [GOOD, BAD, ALSO], ModelFailure)
    assert isinstance(failed.__cause__, IndexError)


def test_who_went_away_stops_a_batch(tmp_path: Path) -> None:
    model: HubModel = served(checkpoints.llama(tmp_path), "text-generation")
    for method in (model.predict, model.trace):
        with pytest.raises(Cancelled):
            method([Request(GOOD), Request(ALSO)], lambda: True)


@pytest.mark.parametrize(
    ("family", "task"), [("vit", "image-classification"), ("wav2vec2", "automatic-speech-recognition")]
)
def test_nothing_more_is_decoded_for_who_went_away(tmp_path: Path, family: str, task: str) -> None:
    model = served(getattr(media_checkpoints, family)(tmp_path), task)
    prepared: list[Request] = []
    plain = model.runner.prepare

    def counted(one: Request) -> Any:
        prepared.append(one)
        return plain(one)

    model.runner.prepare = counted  # type: ignore[method-assign]
    for method in (model.predict, model.trace):
        prepared.clear()
        with pytest.raises(Cancelled):
            method([Request(model.runner.example)] * 8, lambda: len(prepared) >= 2)
        assert len(prepared) == 2


def test_nothing_more_is_read_by_our_own_model_for_who_went_away(tiny: Path) -> None:
    model: Any = load(str(tiny))
    for method in (model.predict, model.trace):
        with pytest.raises(Cancelled):
            method([Request(GOOD), Request(ALSO)], lambda: True)
