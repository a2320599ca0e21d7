"""Traces in notebooks: what the widget carries, which map comes first, and what it refuses."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from heedmap.model import notebook
from heedmap.model.errors import ParameterError, RangeError, TraceError, TraceTooLarge
from heedmap.model.notebook import Explorer, show
from heedmap.model.page.trace_page import trace_page
from tests.small_trace import small_trace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A trace's file."""
    small_trace("Ein Haus.", "A house.").save(tmp_path / "t.safetensors", {"model": "de-en"})
    return tmp_path / "t.safetensors"


def test_the_widget_carries_the_traces_page(path: Path) -> None:
    widget = show(path)
    assert isinstance(widget, Explorer)
    assert widget.page == trace_page(path.read_bytes())
    assert (widget.height, widget.theme, widget.place) == (720, "auto", "")
    assert widget.get_state()["page"] == widget.page, "what is sent to the notebook"
    assert repr(widget) == "<heedmap explorer: Ein Haus.>"
    assert re.search(r"export default \{ render \}", str(widget._esm))


def test_a_trace_in_memory_is_the_same_as_its_file(path: Path) -> None:
    trace = small_trace("Ein Haus.", "A house.")
    trace.save(path)
    assert show(trace).page == show(str(path)).page
    assert len(show(trace).page) < len(show(trace, plotly=True).page) - 500_000


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"site": "cross"}, "site=cross"),
        ({"layer": 0, "head": 2}, "site=cross&layer=0&head=2"),
        ({"site": "cross", "layer": -1, "head": -1}, "site=cross&layer=0&head=3"),
    ],
)
def test_a_map_can_be_named(path: Path, given: dict[str, Any], place: str) -> None:
    assert show(path, **given).place == place


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"site": "encoder"}, RangeError, "site 'encoder' does not exist: this trace has cross"),
        ({"layer": 1, "head": 0}, RangeError, "layer 1 does not exist: cross has layers 0 to 0"),
        ({"layer": 0, "head": -5}, RangeError, "head -5 does not exist: cross has heads 0 to 3"),
        ({"layer": 0}, RangeError, "give both, or none"),
        ({"height": 10}, ParameterError, "240 to 4000 pixels, not 10"),
        ({"theme": "blue"}, ParameterError, "one of auto, light, dark, not 'blue'"),
    ],
)
def test_what_there_is_not_is_said(path: Path, given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        show(path, **given)


def test_what_is_no_trace_or_too_large_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "LARGEST", 1000)
    for trace in (path, small_trace("Ein Haus.", "A house.")):
        with pytest.raises(TraceTooLarge, match=r"0 MiB, and a notebook takes 0: serve it, or write it"):
            show(trace)
    path.write_bytes(b"no trace at all")
    with pytest.raises(TraceError, match="no trace's file"):
        show(path)
    with pytest.raises(FileNotFoundError):
        show(path.with_name("another.safetensors"))


def test_a_trace_file_is_shown_without_pytorch(path: Path) -> None:
    code = (
        "import sys, heedmap; heedmap.show(sys.argv[1]); print([n for n in ('torch', 'fastapi') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
