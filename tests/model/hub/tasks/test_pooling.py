"""Heads of sentence encoders: pooling by hand, and whole folders against the library that writes them."""

import json
from pathlib import Path
from typing import Any

import pytest
import sentence_transformers as st
import torch
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.hub.tasks.pooling import pooled, sentence_head
from tests.model.hub import checkpoints
from tests.model.hub.serving import ask, request, served

TEXTS = ["Where is the station?", "The girl is reading a book.", "No"]
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def test_pooling_by_hand() -> None:
    hidden = torch.tensor([[9.0, 0.0], [1.0, 2.0], [4.0, -1.0], [4.0, 5.0]])
    expected = {
        "cls": [9.0, 0.0],
        "max": [9.0, 5.0],
        "mean": [4.5, 1.5],
        "mean_sqrt_len_tokens": [9.0, 3.0],
        "weightedmean": [3.9, 2.1],  # (9 + 2 + 12 + 16) / 10 and (4 - 3 + 20) / 10
        "lasttoken": [4.0, 5.0],
    }
    for mode, want in expected.items():
        assert pooled(hidden, mode).tolist() == pytest.approx(want)
    assert pooled(hidden, "mean", first=1).tolist() == [3.0, 2.0]
    assert pooled(hidden, "cls", first=1).tolist() == [1.0, 2.0]


def write(tmp_path: Path, *after: Any, prompt: str | None = None, lower: bool = False, **pooling: Any) -> Path:
    """A folder as sentence-transformers writes it."""
    plain = checkpoints.bert(tmp_path / "plain")
    parts = [Transformer(str(plain), max_seq_length=48, do_lower_case=lower), Pooling(32, **pooling), *after]
    prompts = {} if prompt is None else {"prompts": {"query": prompt}, "default_prompt_name": "query"}
    model = st.SentenceTransformer(modules=parts, device="cpu", **prompts)
    model.save_pretrained(str(tmp_path / "written"))
    return tmp_path / "written"


def same_as_the_library(folder: Path, tolerance: float = 1e-5) -> None:
    references = st.SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(TEXTS)
    model = served(folder, "feature-extraction")
    for answer, want in zip(model.predict([request(text) for text in TEXTS]), references, strict=True):
        assert answer.to_json() == pytest.approx(want.tolist(), abs=tolerance)


@pytest.mark.parametrize("mode", [*MODES, ("cls", "mean")])
def test_every_pooling(tmp_path: Path, mode: Any) -> None:
    same_as_the_library(write(tmp_path, pooling_mode=mode))


def test_a_dense_layer_and_unit_length(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = write(tmp_path, Dense(32, 8), Dense(8, 6, bias=False, activation_function=torch.nn.GELU()), Normalize())
    same_as_the_library(folder)
    model = served(folder, "feature-extraction")
    embedding = torch.tensor(ask(model, TEXTS[0]).to_json())
    assert embedding.shape == (6,)
    assert float(embedding.norm()) == pytest.approx(1, abs=1e-6)
    free = torch.tensor(ask(model, TEXTS[0], normalize=False).to_json())
    assert torch.allclose(free / free.norm(), embedding, atol=1e-6)
    assert float(free.norm()) != pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("included", [True, False])
def test_a_prompt_comes_before_the_text_and_is_no_part_of_it(tmp_path: Path, included: bool) -> None:
    folder = write(tmp_path, prompt="the query: ", include_prompt=included)
    same_as_the_library(folder)
    axis = ask(served(folder, "feature-extraction"), TEXTS[0]).axes["tokens"]
    first = axis.special.index(False)
    assert first > 2
    assert axis.spans[first][0] == 0
    assert TEXTS[0][slice(*axis.spans[-2])] == "?"


def test_a_folder_that_lower_cases(tmp_path: Path) -> None:
    same_as_the_library(write(tmp_path, lower=True))


def test_the_shipped_layout_of_older_versions_is_read(tmp_path: Path) -> None:
    place = tmp_path / "1_Pooling"
    place.mkdir()
    modules = [{"idx": 0, "path": "", "type": "a.Transformer"}, {"idx": 1, "path": "1_Pooling", "type": "a.Pooling"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (place / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}))
    head = sentence_head(tmp_path)
    assert head is not None
    assert (head.modes, head.limit, head.normalize, head.prompt) == (("cls", "max"), None, False, "")
    assert sentence_head(tmp_path / "1_Pooling") is None
    assert sentence_head(None) is None


@pytest.mark.parametrize(
    ("modules", "files", "error", "message"),
    [
        (["Transformer"], {}, CheckpointError, "no Pooling"),
        (["Transformer", "Pooling", "LSTM"], {"1": {"pooling_mode": "mean"}}, CheckpointError, "asks for LSTM"),
        (["Transformer", "Pooling"], {"1": {"pooling_mode": "median"}}, CheckpointError, "'median' is not known"),
        (
            ["Transformer", "Pooling", "Dense"],
            {"1": {}, "2": {"in_features": 2, "out_features": 2}},
            UnsafeCheckpoint,
            "no model.safetensors",
        ),
        (
            ["Transformer", "Pooling", "Dense"],
            {"1": {}, "2": {"in_features": 2, "out_features": 2, "activation_function": "torch.nn.Softshrink"}},
            CheckpointError,
            "Softshrink",
        ),
    ],
)
def test_heads_that_cannot_be_served(
    tmp_path: Path, modules: list[str], files: dict[str, Any], error: type[Exception], message: str
) -> None:
    entries = [{"idx": at, "path": str(at), "type": f"a.b.{kind}"} for at, kind in enumerate(modules)]
    (tmp_path / "modules.json").write_text(json.dumps(entries))
    for name, config in files.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    with pytest.raises(error, match=message):
        sentence_head(tmp_path)
