"""Word alignments over HTTP: each pair its links or its own error, one model or two."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import BATCH_INPUTS, Settings
from heedmap.model.contract import Request
from heedmap.model.load import load
from heedmap.model.measures.aligner import HeadChoice, align, together
from heedmap.model.native import checkpoint
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import AlignmentHead, TransformerConfig
from tests.conftest import write_tiny
from tests.model.hub import checkpoints

PAIR = ["Wo ist der Bahnhof?", "Where is the station?"]
SHAPE = {"width": 32, "feed_forward": 64, "heads": 4, "kv_heads": 2, "encoder_layers": 1, "decoder_layers": 2}


@pytest.fixture(scope="module")
def models(tokenizer: Tokenizer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A translation model, one that translates back and was taught to align, and one that translates nothing."""
    folder = tmp_path_factory.mktemp("aligning")
    config = TransformerConfig(
        source_language="en",
        target_language="de",
        vocabulary=len(tokenizer),
        alignment=AlignmentHead(layer=1, head=3),
        **SHAPE,
    )
    checkpoint.save(folder / "back", checkpoint.build(config), tokenizer)
    text = checkpoints.llama(folder / "text", chat=True)
    return {"tiny": str(tiny), "back": str(folder / "back"), "text": str(text)}


@pytest.fixture(scope="module")
def both(settings: Callable[..., Settings], models: dict[str, str]) -> Iterator[TestClient]:
    with TestClient(create_app(settings(models=models))) as client:
        yield client


def post(client: TestClient, **body: Any) -> Any:
    response = client.post("/v1/align", json=body)
    return response.json() if response.status_code == 200 else (response.status_code, response.json())


def test_pairs_have_links_in_their_order(client: TestClient, tiny: Path) -> None:
    body = post(client, pairs=[PAIR, ["Ja.", "Yes."]], layer=1, head=2, reading="input")
    traces = load(tiny).trace([Request(*PAIR), Request("Ja.", "Yes.")])
    expected = [align(trace, HeadChoice(1, 2, "input")).to_json() for trace in traces]
    assert {**body, "alignments": 0} == {"model": "tiny", "reverse": None, "symmetrise": None, "alignments": 0}
    for row, other in zip(body["alignments"], expected, strict=True):
        assert row["scores"] == pytest.approx(other.pop("scores"), abs=1e-5)
        assert {**row, "scores": 0} == {**other, "scores": 0}
    assert body["alignments"][0]["source"] == ["Wo", "ist", "der", "Bahnhof", "?"]


def test_each_pair_has_its_own_error(client: TestClient) -> None:
    rows = post(client, pairs=[["", "Yes."], PAIR, ["Ja.", " "], ["Ja. " * 600, "Yes."]])["alignments"]
    assert rows[1]["pharaoh"]
    paths = [row["error"]["errors"][0]["path"] for row in rows if "error" in row]
    assert paths == ["pairs.0.0", "pairs.2.1", "pairs.3.0"]


def test_the_taught_head_is_used_and_named(both: TestClient) -> None:
    turned = PAIR[::-1]
    [row] = post(both, model="back", pairs=[turned])["alignments"]
    assert (row["layer"], row["head"], row["reading"]) == (1, 3, "input")
    assert both.get("/v1/models/back").json()["alignment"] == {"layer": 1, "head": 3, "reading": "input"}
    assert "alignment" not in both.get("/v1/models/tiny").json()
    trace = both.post("/v1/traces", json={"model": "back", "inputs": PAIR[1], "target": PAIR[0]}).json()
    best = both.get(f"/v1/traces/{trace['id']}/heads").json()["best"]
    assert best["cross"] != {"layer": 1, "head": 3}, "read in the row after, its map is off by one to the eye"
    assert set(best["cross"]) == {"layer", "head"}


def test_both_directions_are_joined(both: TestClient, models: dict[str, str]) -> None:
    body = post(both, model="tiny", pairs=[PAIR, ["", "Yes."], ["Ja.", ""]], symmetrise="grow-diag-final")
    assert (body["reverse"], body["symmetrise"]) == ("back", "grow-diag-final")
    [one], [other] = (
        load(Path(models[name])).trace([Request(*pair)]) for name, pair in (("tiny", PAIR), ("back", PAIR[::-1]))
    )
    expected = together(align(one), align(other), "grow-diag-final")
    row, *errors = body["alignments"]
    assert row["pharaoh"] == expected.to_json()["pharaoh"]
    assert [each["error"]["errors"][0]["path"] for each in errors] == ["pairs.1.0", "pairs.2.1"]
    assert post(both, model="tiny", pairs=[PAIR], symmetrise="grow-diag-final", reverse="back")["reverse"] == "back"


@pytest.mark.parametrize(
    ("body", "status", "path", "detail"),
    [
        ({"pairs": []}, 422, "pairs", "the list of pairs is empty"),
        ({"pairs": "Wo?"}, 422, "pairs", "expected a list of pairs"),
        ({"pairs": [["Wo?"]]}, 422, "pairs.0", "expected a pair [source, target], got a list of 1"),
        ({"pairs": [PAIR, ["Wo?", 3]]}, 422, "pairs.1.1", "expected text, got a number"),
        ({"pairs": [PAIR] * (BATCH_INPUTS + 1)}, 422, "pairs", f"at most {BATCH_INPUTS} are taken"),
        ({"pairs": [PAIR], "layer": 2}, 422, "layer", "there is no layer 2: cross has 0 to 1"),
        ({"pairs": [PAIR], "head": -5}, 422, "head", "there is no head -5: cross has 0 to 3"),
        ({"pairs": [PAIR], "head": "max"}, 422, "head", "from one head or from their mean"),
        ({"pairs": [PAIR], "reading": "both"}, 422, "reading", "input"),
        ({"pairs": [PAIR], "symmetrise": "sum"}, 422, "symmetrise", "intersection"),
        ({"pairs": [PAIR], "reverse": "back"}, 422, "reverse", "give symmetrise too"),
        ({"pairs": [PAIR], "symmetrise": "union", "reverse": "text"}, 422, "reverse", "does not translate"),
        ({"pairs": [PAIR], "symmetrise": "union", "reverse": "none"}, 404, None, "none"),
        ({"pairs": [PAIR], "model": "text"}, 422, "model", "text (text-generation) does not translate"),
        ({"pairs": [PAIR], "beam": 2}, 422, "beam", ""),
    ],
)
def test_what_is_wrong_is_named(both: TestClient, body: Any, status: int, path: str | None, detail: str) -> None:
    answered, problem = post(both, **{"model": "tiny", **body})
    assert answered == status, problem
    if path is not None:
        assert problem["errors"][0]["path"] == path
    assert detail in problem["detail"] + str(problem.get("errors"))


def test_without_a_model_that_translates_back_nothing_is_joined(client: TestClient) -> None:
    status, problem = post(client, pairs=[PAIR], symmetrise="union")
    assert (status, problem["errors"][0]["path"]) == (422, "symmetrise")
    assert "no loaded model translates what tiny does the other way round" in problem["detail"]


def test_a_recurrent_model_aligns_too(settings: Callable[..., Settings], tokenizer: Tokenizer, tmp_path: Path) -> None:
    gru = write_tiny(tmp_path / "gru", tokenizer, "recurrent")
    with TestClient(create_app(settings(models={"gru": str(gru)}))) as client:
        [row] = post(client, pairs=[PAIR])["alignments"]
    assert (row["layer"], row["head"], row["reading"]) == ("mean", "mean", "output")
