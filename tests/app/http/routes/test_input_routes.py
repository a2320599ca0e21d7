"""Over HTTP: one bad input of a list fails alone, pairs are read, and what has no answer can still be traced."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from tests.model.hub import checkpoints, media_checkpoints

TEXT = "Where is the station?"
IMAGE = base64.b64encode(media_checkpoints.as_png(media_checkpoints.picture())).decode()


def knows_more(folder: Path) -> Path:
    """The folder, its tokenizer knowing a word that the model has no embedding for."""
    state = json.loads((folder / "tokenizer.json").read_text())
    number = max(*(token["id"] for token in state["added_tokens"]), *state["model"]["vocab"].values()) + 1
    more = {"id": number, "content": "zebra", "special": False, "normalized": False}
    state["added_tokens"].append({**more, "single_word": False, "lstrip": False, "rstrip": False})
    (folder / "tokenizer.json").write_text(json.dumps(state))
    return folder


@pytest.fixture(scope="module")
def client(
    settings: Callable[..., Settings], tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A service with checkpoints of several tasks."""
    folder = tmp_path_factory.mktemp("inputs")
    models = {
        "ours": tiny,
        "masked": knows_more(checkpoints.bert(folder / "masked", "masked")),
        "labels": checkpoints.bert(folder / "labels", "sequence-classification"),
        "answers": checkpoints.bert(folder / "answers", "question-answering"),
        "pictures": media_checkpoints.clip(folder / "clip"),
    }
    with TestClient(create_app(settings(models={name: str(place) for name, place in models.items()}))) as client:
        yield client


def test_a_word_beyond_the_embedding_fails_its_text_alone(client: TestClient) -> None:
    texts = ["Where is [MASK]?", "a zebra [MASK]", "The [MASK] is late."]
    response = client.post("/v1/predict", json={"model": "masked", "inputs": texts})
    first, failed, last = response.json()["results"]
    bad = failed["error"]
    assert bad["status"] == 422
    assert bad["errors"][0]["path"] == "inputs.1"
    assert "'zebra'" in bad["detail"]
    for text, actual in ((texts[0], first), (texts[2], last)):
        alone = client.post("/v1/predict", json={"model": "masked", "inputs": text}).json()
        assert [row["token"] for row in actual["prediction"]] == [row["token"] for row in alone["prediction"]]


@pytest.mark.parametrize(("name", "texts"), [("ours", [TEXT, "", "Ja."]), ("labels", [TEXT, "word " * 90, "No"])])
def test_a_list_gives_each_its_own_answer_or_error(client: TestClient, name: str, texts: list[str]) -> None:
    body = {"model": name, "inputs": texts, "parameters": {"max_new_tokens": 3}}
    response = client.post("/v1/predict", json=body)
    first, failed, last = response.json()["results"]
    bad = failed["error"]
    assert (bad["status"], bad["errors"][0]["path"]) == (422, "inputs.1")
    assert "prediction" in first
    assert "prediction" in last


def test_an_input_that_breaks_the_model_is_an_error_of_its_own(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import BertForSequenceClassification

    plain = BertForSequenceClassification.forward

    def strict(self: Any, input_ids: Any = None, **options: Any) -> Any:
        if any(row.count(row[1]) > 5 for row in input_ids.tolist()):
            raise IndexError("at /some/place")
        return plain(self, input_ids=input_ids, **options)

    monkeypatch.setattr(BertForSequenceClassification, "forward", strict)
    body = {"model": "labels", "inputs": [TEXT, "a a a a a a a a", TEXT]}
    first, failed, last = client.post("/v1/predict", json=body).json()["results"]
    bad = failed["error"]
    assert bad["status"] == 500
    assert "/some/place" not in json.dumps(bad)
    assert first["prediction"] == last["prediction"] != []


UNANSWERED = [
    ("masked", TEXT, "inputs", "encoder"),
    ("masked", {"text": TEXT, "text_pair": "The train."}, "inputs", "encoder"),
    ("answers", TEXT, "inputs", "encoder"),
    ("pictures", {"image": IMAGE}, "parameters.candidate_labels", "vision"),
]


@pytest.mark.parametrize(("name", "inputs", "path", "site"), UNANSWERED)
def test_what_has_no_answer_is_traced_and_not_predicted(
    client: TestClient, name: str, inputs: Any, path: str, site: str
) -> None:
    body = {"model": name, "inputs": inputs}
    refused = client.post("/v1/predict", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path)
    expected = client.post("/v1/predict", json={**body, "attention": [{"site": site, "head": "mean"}]})
    assert expected.status_code == 422, "maps beside an answer need an answer"
    created = client.post("/v1/traces", json=body)
    assert created.status_code == 201, created.text
    summary = created.json()
    assert summary["prediction"] == []
    assert client.get(f"/v1/traces/{summary['id']}").json() == summary
    assert [each["name"] for each in summary["sites"]] == [site]
    window = client.get(f"/v1/traces/{summary['id']}/maps/{site}/0/mean").json()
    assert [sum(row) for row in window["weights"]] == pytest.approx([1.0] * len(window["weights"]), abs=1e-5)


def test_a_pair_has_its_segments_in_json_and_in_a_form(client: TestClient) -> None:
    pair = {"text": TEXT, "text_pair": "The train is late."}
    by_json = client.post("/v1/predict", json={"model": "labels", "inputs": pair}).json()
    fields = {name: (None, value) for name, value in {"model": "labels", **pair}.items()}
    by_form = client.post("/v1/predict", files=fields).json()
    segments = by_json["axes"]["tokens"]["segments"]
    assert segments == sorted(segments)
    assert set(segments) == {0, 1}
    assert by_form["prediction"] == by_json["prediction"]


def test_models_say_what_they_take(client: TestClient) -> None:
    rows = {row["name"]: row for row in client.get("/v1/models").json()["models"]}
    assert rows["masked"]["parameters"] == {"top_k": {"default": 5}}
    assert rows["answers"]["parameters"] == {"max_answer_len": {"default": 15}}
    assert set(rows["pictures"]["parameters"]) == {"candidate_labels", "top_k", "hypothesis_template"}
