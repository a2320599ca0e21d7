"""What stands at the end of a training run: scores, and the card that tells them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from heedmap.model.errors import CheckpointError
from heedmap.model.native import checkpoint
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.training.data import Reference
from heedmap.model.training.run import FACTS, run_tokenizer, score_and_card, write_references
from tests.conftest import SENTENCES


def test_a_finished_run_gets_its_scores_and_its_card(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "tiny"))
    config = checkpoint.load(folder).network.config
    pairs = [Reference(source, (target,)) for source, target in zip(SENTENCES[0:4:2], SENTENCES[1:4:2], strict=True)]
    for part in ("valid", "test"):
        write_references(folder / f"{part}.jsonl", pairs)
    facts = {
        "config": config.model_dump(),
        "data_sha256": "0" * 64,
        "split_seed": 1,
        "pairs": {"train": 9, "valid": 2, "test": 2},
        "parameters": 5,
        "recipe": {"epochs": 1},
        "start": {"recipe": {"epochs": 9}},
    }
    (folder / FACTS).write_text(json.dumps(facts))
    scores = score_and_card(folder, beam_size=2)
    card = (folder / "README.md").read_text()
    assert set(scores) == {(part, how) for part in ("valid", "test") for how in ("greedy", "beam 2")}
    assert all(score.sentences == 2 for score in scores.values())
    assert f"| test | 2 | greedy | {scores['test', 'greedy'].bleu:.1f} |" in card
    assert "epochs 9. Then, from there: epochs 1." in " ".join(card.split())
    assert "translates German to English" in card
    assert "| float16 |" not in card
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "apache-2.0"
    assert front["language"] == ["de", "en"]

    again = score_and_card(folder, beam_size=2, storage="int8")
    card = (folder / "README.md").read_text()
    assert load_file(folder / "model.safetensors")["embedding.weight"].dtype == torch.int8
    assert f"| float16 | test | 2 | greedy | {scores['test', 'greedy'].bleu:.1f} |" in card
    assert f"| int8 | test | 2 | greedy | {again['test', 'greedy'].bleu:.1f} |" in card
    assert "matrices in 8-bit rows" in card


def test_a_run_goes_on_with_the_tokenizer_that_it_was_begun_with(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = []

    def make() -> Tokenizer:
        made.append(tokenizer)
        return tokenizer

    run_tokenizer(tmp_path, None, make)
    run_tokenizer(tmp_path, None, make)  # no step was kept: a new run
    assert len(made) == 2
    (tmp_path / "training.safetensors").write_bytes(b"")
    again = run_tokenizer(tmp_path, None, make)
    assert len(made) == 2
    assert again.backend.to_str() == tokenizer.backend.to_str()


def test_an_unfinished_run_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no training\.json .* finish there first"):
        score_and_card(tmp_path)
