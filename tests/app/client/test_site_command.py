"""`heedmap site`: a page for each trace and a list, from the command line; and a page by the client."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.client.api import Client
from heedmap.app.client.errors import NotFound
from heedmap.model.errors import InputError


def test_traces_become_a_folder_of_pages(client: Client, tmp_path: Path) -> None:
    made = [client.trace(text, model="de-en") for text in ("Wo ist der Bahnhof?", "Ich <b>habe</b> Zeit.")]
    files = [client.download(trace, tmp_path / f"{n} trace.safetensors") for n, trace in enumerate(made)]
    site = tmp_path / "site"
    done = CliRunner().invoke(cli, ["site", str(site), *map(str, files), "--title", "Two", "--no-plotly"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert done.output.split() == [str(site / "index.html"), "lists", "2", "traces"]
    assert sorted(path.name for path in site.iterdir()) == ["0-trace.html", "1-trace.html", "index.html"]
    listed = (site / "index.html").read_text()
    assert '<a href="0-trace.html">Wo ist der Bahnhof?</a>' in listed
    assert "Ich &lt;b&gt;habe&lt;/b&gt; Zeit." in listed
    assert '<p dir="auto">Where is the station?</p>' in listed
    assert "de-en · translation · encoder " in listed
    assert b'id="trace"' in (site / "0-trace.html").read_bytes()
    assert b'id="plotly"' not in (site / "0-trace.html").read_bytes()


def test_what_is_no_trace_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing")
    for path in (wrong, tmp_path / "missing.safetensors"):
        done = CliRunner().invoke(cli, ["site", str(tmp_path / "site"), str(path)])
        assert isinstance(done.exception, InputError)
        assert path.name in str(done.exception)


def test_a_client_fetches_a_page(client: Client, tmp_path: Path) -> None:
    trace = client.trace("Wo ist der Bahnhof?", model="de-en")
    path = client.page(trace, tmp_path / "page.html")
    assert path.read_bytes().startswith(b"<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_had_leaves_nothing(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        client.page("0" * 32, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
