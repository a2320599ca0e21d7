"""Decoding of native models under edits: what it writes, step by step, is what the whole edited pass says."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from heedmap.model.attention.editor import Editor
from heedmap.model.contract import Parameters, Prediction, Request, check_edits
from heedmap.model.load import load
from heedmap.model.native import text_generator
from heedmap.model.native.tokenizer import END
from heedmap.model.native.translator import Translator
from heedmap.model.trace.trace import Trace
from tests.model import watching
from tests.model.native.test_edits import KINDS, SENTENCE, WEIGHTS, Edits, request


@pytest.mark.parametrize("which", ["tiny", "de-en", "tiny-gru"])
@pytest.mark.parametrize("name", ["silent", "cut", "many"])
def test_decoding_under_edits_recomputes_the_whole_prefix(which: str, name: str, tiny: Path, tiny_gru: Path) -> None:
    """Every step is the edited full pass over all that was written so far."""
    edits = KINDS[name]
    if which == "tiny-gru":
        edits = [
            {**edit, "layer": 0, "head": 0} for edit in edits if edit["site"] == "cross" and edit["kind"] != "silence"
        ]
        edits = edits or [{"kind": "silence", "site": "cross", "layer": 0, "head": 0, "how": "uniform"}]
    model: Any = load({"tiny": tiny, "tiny-gru": tiny_gru, "de-en": WEIGHTS / "de-en"}[which])
    edits = [edit for edit in edits if which != "de-en" or edit["kind"] != "silence" or edit["site"] == "cross"]
    assert isinstance(model, Translator)
    [answer] = model.predict([request(edits, None)])
    assert isinstance(answer, Prediction), repr(answer)
    source = torch.tensor([model.tokenizer.encode(SENTENCE).ids])
    layers = {site["name"]: (site["layers"], site["heads"]) for site in model.describe()["sites"]}
    editor, written = Editor(check_edits(edits), layers), list[int]()
    with torch.inference_mode():
        while len(written) < 9 and written[-1:] != [END]:
            prefix = torch.tensor([[END, *written]])
            logits = model.network(source, torch.tensor([source.shape[1]]), prefix, None, editor)[0, -1]
            logits[1] = -math.inf
            written.append(int(logits.argmax()))
    assert answer.axes["target"].ids == written
    beams, sampled = model.predict([request(edits, None, beam_size=3), request(edits, None, do_sample=True)])
    assert isinstance(beams, Prediction)
    assert isinstance(sampled, Prediction)
    [trace] = model.trace([Request(SENTENCE, edits=check_edits(edits), parameters=Parameters(max_new_tokens=9))])
    assert isinstance(trace, Trace), repr(trace)
    assert trace.axes["target"].ids == written
    assert trace.certificate.warning is None


def test_a_language_models_edits_hold_over_chunks_steps_and_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = load(WEIGHTS / "shakespeare")
    text = "ROMEO: But soft, what light through yonder window breaks?" * 4
    edits: Edits = [
        {"kind": "cut", "site": "decoder", "layer": "all", "query": [60, None], "key": [30, 50]},
        {"kind": "temper", "site": "decoder", "layer": 5, "head": 2, "temperature": 0.7},
        {"kind": "silence", "site": "decoder", "layer": 1, "head": 0, "how": "uniform"},
        {"kind": "cut", "site": "decoder", "layer": 5, "query": [10, None], "key": 3, "mass": "drop"},
    ]
    wanted = Request(text, parameters=Parameters(max_new_tokens=6), edits=check_edits(edits))
    monkeypatch.setattr(text_generator, "CHUNK", 50)
    [answer], [trace] = model.predict([wanted]), model.trace([wanted])
    assert isinstance(trace, Trace)
    assert answer.text == trace.prediction.text
    assert trace.certificate.warning is None
    assert answer.score == pytest.approx(trace.prediction.score, abs=1e-3)
    ids, prompt = trace.axes["tokens"].ids, len(model.tokenizer.encode(text).ids)
    editor = Editor(check_edits(edits), {"decoder": (6, 6)})
    with torch.inference_mode():
        for at in range(prompt, len(ids)):
            logits = model.network.decode(torch.tensor([ids[:at]]), model.network.start(editor))[0, -1]
            logits[1] = -math.inf
            assert int(logits.argmax()) == ids[at]
    layer = trace.layers["decoder"][5]
    assert float(layer.window(slice(60, None), slice(30, 50)).max()) == 0
    assert float(layer.window(slice(10, None), slice(3, 4)).max()) == 0
    lost = 1 - layer.window(slice(10, None)).sum(dim=-1)
    assert float(lost.max()) > 1e-4
    assert float(lost.min()) > -1e-5
    given = Request(text, " thee", edits=check_edits(edits))
    [scored], [plain] = model.predict([given]), model.predict([Request(text, " thee")])
    assert scored.score != pytest.approx(plain.score, abs=1e-4)


def test_rows_that_are_watched_are_those_of_the_edited_maps(tiny: Path) -> None:
    """What a stream shows of each step is the row of the trace of the same request."""
    model = load(tiny)
    edits: Edits = [
        {"kind": "cut", "site": "cross", "layer": 0, "query": [2, 4], "key": 1},
        {"kind": "cut", "site": "decoder", "layer": 1, "head": 0, "query": [1, None], "key": 0, "mass": "drop"},
        {"kind": "temper", "site": "decoder", "layer": 1, "head": 1, "temperature": 4.0},
    ]
    places = [("cross", 0, head) for head in range(4)] + [("decoder", 1, head) for head in range(4)]
    notes, trace = watching.watched(model, request(edits, None), places)
    watching.check(notes, trace, "target", places)
    assert trace.edits
