"""What a request costs, before it is looked into: all that it makes the model do counts, wherever it stands."""

from heedmap.app.service.cost import LONG, cost_of, is_long
from heedmap.model.contract import Objective, Parameters, Request
from heedmap.model.edits import check_edits

TEXT = "Wo ist der Bahnhof?"
MEAN = {"kind": "silence", "site": "cross", "layer": 0, "head": 0, "how": "mean"}
CUT = {"kind": "cut", "site": "cross", "key": 0}


def cost(request: Request) -> float:
    return cost_of([request], "translation")


def test_beams_and_limits_count() -> None:
    assert cost(Request(TEXT, parameters=Parameters(beam_size=4))) > 2 * cost(Request(TEXT))
    assert cost(Request(TEXT, parameters=Parameters(max_new_tokens=2))) < cost(Request(TEXT))
    assert cost(Request(TEXT, TEXT)) < cost(Request(TEXT)), "nothing is written"


def test_gradients_and_edits_count() -> None:
    plain = cost(Request(TEXT, TEXT))
    assert cost(Request(TEXT, TEXT, objective=Objective(tokens="all"))) >= 3.4 * plain - 100
    assert cost(Request(TEXT, TEXT, edits=check_edits([CUT]))) == 2 * plain


def test_each_corpus_is_run_once_and_counts_as_its_texts_do() -> None:
    edited = Request(TEXT, edits=check_edits([{**MEAN, "corpus": [TEXT] * 10}] * 5))
    bare = Request(TEXT, edits=check_edits([CUT]))
    assert cost(edited) == cost(bare) + 10 * cost(Request(TEXT))


def test_a_long_corpus_is_long() -> None:
    text = "x" * (int(LONG) // 3)
    assert not is_long([Request(TEXT)])
    assert not is_long([Request(TEXT, edits=check_edits([{**MEAN, "corpus": [text]}]))])
    assert is_long([Request(TEXT, edits=check_edits([{**MEAN, "corpus": [text, text + "y", text + "z"]}]))])
