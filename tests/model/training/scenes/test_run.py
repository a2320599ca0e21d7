"""A tiny captioner from nothing to its card: trained a few steps, gone on with, scored, and served."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from heedmap.model.contract import Prediction, Request
from heedmap.model.errors import CheckpointError
from heedmap.model.load import load, peek
from heedmap.model.native.captioner import Captioner
from heedmap.model.native.feature_transformer import PatchInput
from heedmap.model.native.tokenizer import PAD, UNKNOWN
from heedmap.model.training.loop import Recipe
from heedmap.model.training.scenes.batches import SceneBatches
from heedmap.model.training.scenes.captions import captions, tokenizer
from heedmap.model.training.scenes.evaluate import PARTS, held_out, noun_rows, png, pointing
from heedmap.model.training.scenes.run import RECIPE, score_captions, train_captions
from heedmap.model.training.scenes.scene import Arrangement, Group, Painter, Scene
from tests.model.training.scenes.drawn import drawn, kept

SHAPE: dict[str, Any] = {"width": 32, "feed_forward": 32, "heads": 2, "kv_heads": 2}
SHAPE |= {"encoder_layers": 1, "decoder_layers": 1}
RUN = Recipe(**(RECIPE | {"epochs": 2, "warmup_steps": 2}))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("drawings"))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, float]]:
    return []


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, float]]) -> Path:
    """A finished run of two epochs of two batches."""
    out = tmp_path_factory.mktemp("runs") / "tiny-scenes"
    train_captions(data, out, RUN, torch.device("cpu"), shape=SHAPE, batches=2, report=rows.append)
    return out


def test_a_run_is_reported_and_can_be_gone_on_with(folder: Path, data: Path, rows: list[dict[str, float]]) -> None:
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["loss"] < rows[0]["loss"]
    before = (folder / "model.safetensors").read_bytes()
    more: list[dict[str, float]] = []
    train_captions(data, folder, RUN, torch.device("cpu"), shape=SHAPE, batches=2, report=more.append)
    assert more == []
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_run_is_scored_and_has_a_card_and_pictures(folder: Path, data: Path) -> None:
    report = score_captions(folder, data, scenes=6)
    assert list(report.scores) == list(PARTS)
    for score in report.scores.values():
        assert score.scenes == 6
        assert 0 <= score.pointing <= 1
        assert 0 < score.chance < 0.6
    card = (folder / "README.md").read_text(encoding="utf-8")
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert facts["scenes"] == 2 * 2 * 32
    assert f"| {facts['parameters']:,} |" in card
    assert "pipeline_tag: image-to-text" in card
    facts = peek(str(folder))
    assert (facts["task"], facts["architecture"]) == ("image-to-text", "feature-transformer")
    model = load(folder)
    assert isinstance(model, Captioner)
    assert model.describe()["examples"] == facts["examples"]
    assert len(facts["examples"]) == 6
    answers = model.predict([Request(example) for example in facts["examples"]])
    assert all(isinstance(answer, Prediction) for answer in answers)


def test_what_is_no_finished_run_has_no_scores(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no training\.json"):
        score_captions(tmp_path, data)


def test_pointing_counts_the_rows_that_are_largest_in_the_box(folder: Path) -> None:
    model = load(folder)
    assert isinstance(model, Captioner)
    pictures = held_out(Painter({"noto": drawn()["noto"]}), 3, 5)
    hits, nouns = pointing(model, pictures)
    assert nouns == sum(len(picture.scene.groups) for picture in pictures)
    for head in range(2):  # each map looked at by itself
        right = 0
        for picture in pictures:
            [trace] = model.trace([Request({"image": png(picture)}, captions(picture.scene, "en")[0])])
            weights = trace.map("cross", 0).dense()[head]
            boxes = trace.axes["source"].boxes
            for row, (left, top, width, height) in noun_rows(picture, trace.prediction.tokens):
                x0, y0, x1, y1 = boxes[int(weights[row].argmax())]
                right += left <= (x0 + x1) / 2 <= width and top <= (y0 + y1) / 2 <= height
        assert hits[0, head] == right


def test_rows_of_nouns_are_found_in_a_caption() -> None:
    scene = Scene((Group(0, 2), Group(4, 1)), Arrangement.across)  # two dogs to the left of a pig
    picture = Painter(drawn()).paint(scene, random.Random(1))
    tokens = tokenizer().encode(captions(scene, "en")[0]).labels
    assert [row for row, _ in noun_rows(picture, tokens)] == [1, 7]


def test_a_batch_names_what_each_patch_shows() -> None:
    tokens, what = tokenizer(), PatchInput(side=96)
    batches = SceneBatches(Painter(drawn()), tokens, what, batches=3, size=4)
    batch = batches.epoch(1)[2]
    again = batches.epoch(1)[1:][1]
    assert all(torch.equal(one, other) for one, other in zip(batch.inputs, again.inputs, strict=True))
    assert not torch.equal(batch.features, batches.epoch(2)[2].features)
    assert batch.features.shape == (4, 144, 192)
    assert batch.tokens == int((batch.labels != PAD).sum())
    assert set(batch.target[:, 0].tolist()) <= {tokens.one("<en>", ""), tokens.one("<zh>", "")}
    assert torch.equal(
        batch.target[:, 1:][batch.labels[:, 1:] != PAD], batch.labels[:, :-1][batch.labels[:, 1:] != PAD]
    )
    named = np.unique(batch.reference)
    assert UNKNOWN in named
    assert set(named.tolist()) - {UNKNOWN} <= set(batches.names)


def test_the_name_of_a_patch_is_that_of_what_covers_it() -> None:
    batches = SceneBatches(Painter(drawn()), tokenizer(), PatchInput(side=96), batches=1)
    scene = Scene((Group(0, 1), Group(4, 1)), Arrangement.across)
    picture = batches.painter.paint(scene, random.Random(4))
    named = batches._named(picture).reshape(12, 12)
    for group, (left, top, right, bottom) in zip(scene.groups, picture.boxes, strict=True):
        row, column = int((top + bottom) / 2) // 8, int((left + right) / 2) // 8
        assert named[row, column] == batches.names[group.noun]
    empty = (picture.shown == -1).reshape(12, 8, 12, 8).all(axis=(1, 3))
    assert set(named[torch.from_numpy(empty)].tolist()) == {UNKNOWN}
