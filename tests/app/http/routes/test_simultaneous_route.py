"""Simultaneous translation over HTTP, by both clients and on the command line: the service keeps nothing in between."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from heedmap.app import simultaneous as command
from heedmap.app.cli import cli
from heedmap.app.client.interpreters import here
from heedmap.model.load import load
from heedmap.model.native.tokenizer import END
from heedmap.model.native.translator import Translator
from heedmap.model.simultaneous import AlignAtt, LiveAnswer, LiveRequest, WaitK

TEXT = "Ich habe heute keine Zeit."


def post(client: TestClient, **body: Any) -> Any:
    response = client.post("/v1/simultaneous", json=body)
    return response.json() if response.status_code == 200 else (response.status_code, response.json())


def test_an_answer_is_the_model_s(client: TestClient, tiny: Path) -> None:
    model = load(tiny)
    assert isinstance(model, Translator)
    for policy in (AlignAtt(frames=1), WaitK(kind="wait-k", k=2)):
        committed: list[int] = []
        for words in ("Ich habe heute", "Ich habe heute keine"):
            body = post(client, inputs=words, committed=committed, policy=policy.model_dump())
            [answer] = model.simultaneous([LiveRequest(words, tuple(committed), False, policy)])
            assert isinstance(answer, LiveAnswer)
            expected = answer.to_json()
            for one, other in zip(body["decisions"], expected["decisions"], strict=True):
                assert one.pop("weight") == pytest.approx(other.pop("weight"), abs=1e-5)
            assert body == {"model": "tiny", "policy": policy.model_dump(), **expected}
            committed = body["committed"]


def test_ids_and_their_text_are_the_same_beginning(client: TestClient) -> None:
    by_text = post(client, inputs=TEXT, committed="Where is", final=True)
    ids = by_text["committed"][: len(by_text["committed"]) - sum(d["id"] != END for d in by_text["decisions"])]
    assert post(client, inputs=TEXT, committed=ids, final=True) == by_text
    assert by_text["text"].startswith("Where is")
    nothing = post(client, inputs=TEXT, final=True)
    assert post(client, inputs=TEXT, final=True, committed="") == nothing
    assert nothing["text"] == client.post("/v1/predict", json={"inputs": TEXT}).json()["prediction"]["text"]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"inputs": " "}, "inputs"),
        ({"inputs": ["Ich"]}, "inputs"),
        ({"inputs": "Ja. " * 600}, "inputs"),
        ({"committed": [5, 100_000]}, "committed.1"),
        ({"committed": [END]}, "committed.0"),
        ({"committed": ["I"]}, "committed.0"),
        ({"committed": 3}, "committed"),
        ({"committed": [5] * 600}, "committed"),
        ({"policy": {"kind": "alignatt", "frames": 0}}, "policy.frames"),
        ({"policy": {"kind": "fixed"}}, "policy.kind"),
        ({"policy": "alignatt"}, "policy.kind"),
        ({"final": "yes"}, "final"),
    ],
)
def test_errors_name_the_part_at_fault(client: TestClient, wrong: dict[str, Any], path: str) -> None:
    status, problem = post(client, **{"inputs": TEXT, **wrong})
    assert status == 422
    assert problem["errors"][0]["path"] == path


def test_who_does_not_exist_or_does_not_translate_so_is_told(client: TestClient) -> None:
    assert post(client, model="nobody", inputs=TEXT)[0] == 404


def test_sentences_are_heard_word_by_word() -> None:
    assert list(command.heard("Am 3. Mai ja. Wo\n\nDas")) == [
        ("Am", False),
        ("Am 3.", False),
        ("Am 3. Mai", False),
        ("Am 3. Mai ja.", True),
        ("Wo", False),
        ("Wo", True),
        ("Das", True),
    ]
    assert list(command.heard("Ja. Nein \nUnd", lines=True)) == [
        *(("Ja.", False), ("Ja. Nein", False), ("Ja. Nein", True), ("Und", True))
    ]
    assert list(command.heard(" \n \n")) == []


def test_the_command_prints_what_stays(tiny: Path) -> None:
    model = load(tiny)
    assert isinstance(model, Translator)
    ids: tuple[int, ...] = ()
    words = TEXT.split()
    for read in range(1, len(words) + 1):
        request = LiveRequest(" ".join(words[:read]), ids, read == len(words), WaitK(kind="wait-k", k=2))
        [answer] = model.simultaneous([request])
        assert isinstance(answer, LiveAnswer)
        ids = tuple(answer.committed)
    options = ["simultaneous", "--model", str(tiny), "--policy", "wait-k", "--k", "2", "--device", "cpu", "--decisions"]
    done = CliRunner().invoke(cli, options, input=f"{TEXT}\n")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{answer.text}\n"
    assert "committed: complete" in done.stderr
    with here(str(tiny), "cpu", {"kind": "wait-k", "k": 2}) as translate:
        assert "".join(command.spoken(TEXT, translate)) == done.stdout
