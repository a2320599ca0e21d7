"""`heedmap compare`: two inputs, models or heads, here as by a service."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.client.api import Client
from heedmap.model.errors import HeedmapError, InputError

ONE, OTHER = "Wo ist der Bahnhof?", "Wo ist der alte Bahnhof?"


def compared(*arguments: str) -> dict[str, object]:
    """What the command prints as JSON."""
    done = CliRunner().invoke(cli, ["compare", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_two_inputs_are_compared_here_as_by_a_service(url: str, client: Client) -> None:
    here = compared(ONE, OTHER, "--device", "cpu")
    there = compared(ONE, OTHER, "--url", url, "--model", "de-en")
    right = client.compare(client.trace(ONE, model="de-en"), client.trace(OTHER, model="de-en"), "cross", top=3)
    assert here["site"] == there["site"] == "cross"
    for made in (here, there):
        assert made.keys() == {"site", "queries", "keys", "rows_compared", "heads"}
        assert made["rows_compared"] == right["rows_compared"]
        assert {(h["layer"], h["head"]): h["divergence"] for h in made["heads"]} == pytest.approx(  # type: ignore[attr-defined]
            {(h["layer"], h["head"]): h["divergence"] for h in right["heads"]}, abs=1e-4
        )
    divergences = [head["divergence"] for head in here["heads"]]  # type: ignore[attr-defined]
    assert divergences == sorted(divergences, reverse=True)


def test_two_heads_of_one_trace_and_two_models(tiny: Path) -> None:
    made = compared(ONE, "--layer", "1", "--head", "0", "--other-head", "3", "--device", "cpu")
    [head] = made["heads"]  # type: ignore[misc]
    assert (head["layer"], head["head"], head["other"]) == (1, 0, {"layer": 1, "head": 3})
    assert head["divergence"] > 0
    same = compared(ONE, "--site", "encoder", "--layer", "0", "--other-layer", "0", "--device", "cpu")
    assert max(head["divergence"] for head in same["heads"]) < 1e-6  # type: ignore[attr-defined]
    models = compared(
        *(ONE, "--other-model", "de-en-gru", "--target", "Where is the station?", "--device", "cpu"),
        *("--layer", "1", "--head", "0", "--other-layer", "0", "--other-head", "0"),
    )
    assert len(models["heads"]) == 1  # type: ignore[arg-type]


def test_heads_are_printed_with_the_rows_that_differ_most() -> None:
    done = CliRunner().invoke(cli, ["compare", ONE, OTHER, "--top", "2", "--rows", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    first, header, *lines = done.stdout.splitlines()
    assert "Jensen-Shannon" in first
    assert "rows that differ most" in header
    assert lines[-1].startswith("... and")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([ONE], "nothing to compare it with"),
        ([], "give a text"),
        ([ONE, OTHER, "--layer", "99"], "layer 99 does not exist"),
        ([ONE, OTHER, "--site", "vision"], "no site 'vision'"),
        ([ONE, "Ganz etwas anderes", "--model", "nowhere"], "neither a shipped model"),
        ([ONE, "--other-model", "de-en-gru"], "in the first trace"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, ["compare", *arguments, "--device", "cpu"])
    assert done.exit_code != 0
    assert isinstance(done.exception, InputError | HeedmapError)
    assert said in str(done.exception)
