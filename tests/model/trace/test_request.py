"""What a trace was asked by: kept with it, without files, and read again as the same request."""

from pathlib import Path
from typing import Any

import pytest

from heedmap.model.contract import Objective, Parameters, Request, check_edits
from heedmap.model.errors import TraceError
from heedmap.model.load import load
from heedmap.model.trace.identity import content_id
from heedmap.model.trace.request import request_from_json, request_to_json
from heedmap.model.trace.trace import Trace, read_header

EDITS = check_edits([{"kind": "cut", "site": "cross", "query": [1, None], "key": 2}])
FULL = Request(
    {"question": "a", "context": "b"},
    "c",
    Parameters(beam_size=3, stop=("x", "y")),
    Objective(tokens=(1,), minus=("d",)),
    EDITS,
)


@pytest.mark.parametrize("request_", [FULL, Request("a"), Request("a", parameters=Parameters(seed=4))])
def test_it_reads_again_and_has_the_same_id(request_: Request) -> None:
    again = request_from_json(request_to_json(request_))
    assert again == request_
    assert content_id("r", again) == content_id("r", request_)


def test_a_file_is_not_kept(tmp_path: Path) -> None:
    asked: Any = {"image": b"123", "text": "what?"}
    content = request_to_json(Request(asked, parameters=Parameters(top_k=2)))
    assert content == {"parameters": {"top_k": 2}}
    assert request_from_json(content, asked).inputs == asked
    with pytest.raises(TraceError):
        request_from_json(content)


def test_a_trace_keeps_it_in_its_file(tiny: Path, tmp_path: Path) -> None:
    model: Any = load(tiny)
    asked = Request("Wo ist der Bahnhof?", "The station", objective=Objective(tokens="all"))
    [trace] = model.trace([asked])
    kept = Trace(**{**vars(trace), "request": request_to_json(asked)})
    kept.save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert again.request is not None
    assert request_from_json(again.request) == asked
    assert "request" not in again.to_json()
    trace.save(tmp_path / "plain")
    assert Trace.load(tmp_path / "plain").request is None
    assert '"request"' not in read_header(tmp_path / "plain")["trace"]


@pytest.mark.parametrize(
    "more", [{"parameters": {"beam": 1}}, {"edits": [{"kind": "x"}]}, {"objective": 3}, {"objective": {}}]
)
def test_what_does_not_read_is_a_damaged_trace(more: Any) -> None:
    with pytest.raises(TraceError, match="was asked by does not read"):
        request_from_json({"inputs": "a", **more})
