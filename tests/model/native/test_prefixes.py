"""Native models go on from a given beginning, and say what else could stand at each place, as their own pass has it."""

from pathlib import Path

import pytest
import torch

from heedmap.model.contract import Foretelling, Parameters, Prediction, Request
from heedmap.model.edits import check_edits
from heedmap.model.errors import InputError
from heedmap.model.load import load
from heedmap.model.native.text_generator import TextGenerator
from heedmap.model.native.tokenizer import END, PAD
from heedmap.model.native.translator import Translator
from tests.model.watching import check, every_map, watched
from tests.writer import tiny as tiny_writer

TEXT = "Wo ist der Bahnhof?"
CLOSE = 1e-4


@pytest.fixture(scope="module", params=["transformer", "recurrent", "language model"])
def model(
    request: pytest.FixtureRequest, tiny: Path, tiny_gru: Path, tmp_path_factory: pytest.TempPathFactory
) -> Translator | TextGenerator:
    if request.param == "language model":
        loaded = load(tiny_writer(tmp_path_factory.mktemp("writer") / "writer"))
    else:
        loaded = load(tiny if request.param == "transformer" else tiny_gru)
    assert isinstance(loaded, Translator | TextGenerator)
    return loaded


def answer(model: Translator | TextGenerator, target: str | None = None, **parameters: object) -> Prediction:
    [prediction] = model.predict([Request(TEXT, target, Parameters(max_new_tokens=5, **parameters))])
    assert isinstance(prediction, Prediction), prediction
    return prediction


def output(prediction: Prediction) -> list[int]:
    axes, count = prediction.axes, len(prediction.tokens)
    return (axes["target"] if "target" in axes else axes["tokens"]).ids[-count:]


def distributions(model: Translator | TextGenerator, prediction: Prediction) -> torch.Tensor:
    """At each place of an output, by the network's forward over what came before."""
    axes = prediction.axes
    with torch.inference_mode():
        if isinstance(model, TextGenerator):
            logits = model.network(torch.tensor([axes["tokens"].ids[:-1]]))[0, -len(prediction.tokens) :]
        else:
            source = torch.tensor([axes["source"].ids])
            logits = model.network(source, torch.tensor([source.shape[1]]), torch.tensor([axes["prefix"].ids]))[0]
    logits = logits.clone()
    logits[:, PAD] = -torch.inf
    return logits.log_softmax(dim=-1)


@pytest.mark.parametrize("decoding", [{}, {"beam_size": 3}, {"do_sample": True, "seed": 3}])
def test_an_output_begins_with_the_ids_given(model: Translator | TextGenerator, decoding: dict[str, object]) -> None:
    free = output(answer(model))
    other = next(token for token in range(4, 40) if token != free[1])
    prediction = answer(model, prefix=[free[0], other], **decoding)
    ids = output(prediction)
    assert ids[:2] == [free[0], other]
    assert len(ids) == 7 or ids[-1] == END, "five tokens more than were given"
    worth = distributions(model, prediction).gather(1, torch.tensor(ids)[:, None])
    assert prediction.score == pytest.approx(float(worth.sum()), abs=CLOSE)


def test_its_own_beginning_changes_nothing(model: Translator | TextGenerator) -> None:
    free = answer(model)
    same = answer(model, prefix=output(free)[:3])
    assert output(same)[: len(output(free))] == output(free)
    whole = answer(model, prefix="Where")
    assert whole.text.startswith("Where")


def test_an_end_token_ends_the_output_there(model: Translator | TextGenerator) -> None:
    ids = [*output(answer(model))[:2], END]
    for beams in (1, 3):
        prediction = answer(model, prefix=ids, beam_size=beams)
        assert output(prediction) == ids
        assert prediction.finish_reason == "stop"


@pytest.mark.parametrize("edited", [False, True])
def test_the_likeliest_are_those_of_the_models_own_pass(model: Translator | TextGenerator, edited: bool) -> None:
    silence = {"kind": "silence", "site": model.describe()["sites"][-1]["name"], "layer": 0, "head": 0}
    edits = [silence] if edited else []
    request = Request(TEXT, None, Parameters(max_new_tokens=5), edits=check_edits(edits))
    [prediction] = model.predict([request])
    assert isinstance(prediction, Prediction)
    assert isinstance(model, Foretelling)
    places = list(model.likeliest(request, prediction, 4))
    assert [place.written.id for place in places] == output(prediction)
    assert [place.position for place in places] == list(range(len(places)))
    total = sum(place.written.log_probability for place in places)
    assert prediction.score == pytest.approx(total, abs=CLOSE), "also under edits"
    if edited:
        return
    for place, row in zip(places, distributions(model, prediction), strict=True):
        best = row.topk(4)
        assert [candidate.id for candidate in place.tokens] == best.indices.tolist()
        assert [c.log_probability for c in place.tokens] == pytest.approx(best.values.tolist(), abs=CLOSE)
        assert place.rank == 1, "greedy decoding takes the best"
        assert place.tokens[0] == place.written
        assert place.tokens[0].token == model.tokenizer.label(best.indices[0].item())


def test_going_on_with_a_candidate_writes_it(model: Translator | TextGenerator) -> None:
    request = Request(TEXT, None, Parameters(max_new_tokens=5))
    [prediction] = model.predict([request])
    assert isinstance(prediction, Prediction)
    second = list(model.likeliest(request, prediction, 2))[1].tokens[1]
    ids = output(answer(model, prefix=[output(prediction)[0], second.id]))
    assert ids[1] == second.id != output(prediction)[1]


def test_a_beginning_is_watched_like_what_follows(model: Translator | TextGenerator) -> None:
    ids = output(answer(model))[:2]
    maps = every_map(model)
    notes, trace = watched(model, Request(TEXT, None, Parameters(max_new_tokens=3, prefix=ids)), maps)
    check(notes, trace, "target" if "target" in trace.axes else "tokens", maps)
    assert [token.id for token in notes.tokens[:2]] == ids


@pytest.mark.parametrize(("prefix", "field"), [([10**6], ".0"), ([PAD], ".0"), ([END, 9], ".0"), ("many", "")])
def test_a_beginning_that_cannot_be_is_refused(model: Translator | TextGenerator, prefix: object, field: str) -> None:
    if prefix == "many":
        prefix = "a " * model.network.config.max_positions
    [error] = model.predict([Request(TEXT, None, Parameters(prefix=prefix))])
    assert isinstance(error, InputError)
    assert error.field == f"parameters.prefix{field}"
