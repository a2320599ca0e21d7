"""`Client.effects` and `heedmap sweep`: here and by a service."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.client.api import Client
from heedmap.app.client.errors import BadRequest
from heedmap.model.errors import InputError
from tests.app.client.conftest import TEXT

SILENCE = {"kind": "silence", "site": "cross", "layer": 1, "head": 2}


def test_the_client_has_grids_rows_and_predictions(client: Client) -> None:
    trace = client.trace(TEXT, model="de-en", objective={"tokens": "all"})
    effects = client.effects(trace, measured=True)
    assert effects.value == trace.objective["value"]  # type: ignore[index]
    assert {name: grid.shape for name, grid in effects.measured.items()} == {
        site.name: (site.layers, site.heads) for site in trace.sites.values()
    }
    assert effects.estimated.keys() == effects.measured.keys()
    assert effects.correlation is not None
    assert effects.correlation["spearman"] > 0.5
    best = effects.ranking[0]
    largest = max(float(np.abs(grid).max()) for grid in effects.measured.values())
    assert abs(best["measured"]) == largest
    listed = client.effects(trace.id, [SILENCE], predict=True)
    assert listed.rows[0]["measured"] is None
    assert listed.rows[0]["prediction"]["text"]
    assert listed.measured == {}
    plain = client.trace(TEXT, model="de-en")
    with pytest.raises(BadRequest, match="post its input again with one"):
        client.effects(plain)


def test_a_sweep_here_is_a_services(url: str, tmp_path: Path) -> None:
    runner, file = CliRunner(), tmp_path / "inputs"
    file.write_text(f"{TEXT}\n\nIch habe keine Zeit.\n", encoding="utf-8")
    here = runner.invoke(cli, ["sweep", "--file", str(file), "--model", "de-en", "--device", "cpu", "--json"])
    there = runner.invoke(cli, ["sweep", "--file", str(file), "--model", "de-en", "--url", url, "--json"])
    assert here.exit_code == there.exit_code == 0, here.output + there.output
    mine, theirs = json.loads(here.stdout), json.loads(there.stdout)
    assert mine["recorded"] == theirs["recorded"] == 2
    for one, other in zip(mine["sites"], theirs["sites"], strict=True):
        assert np.abs(np.array(one["measured"]) - np.array(other["measured"])).max() < 1e-4
    with Client(url) as client:
        assert not [job for job in client.jobs() if job.kind == "sweep"], "it is forgotten"


def test_the_table_has_layers_heads_and_the_most_important_first() -> None:
    done = CliRunner().invoke(cli, ["sweep", TEXT, "--device", "cpu", "--max-new-tokens", "8"])
    assert done.exit_code == 0, done.output
    for site in ("encoder", "decoder", "cross"):
        assert f"{site}: measured effect of silencing a head" in done.stdout
    assert "heads that matter most" in done.stdout
    assert "estimated against measured: pearson" in done.stdout
    guess = CliRunner().invoke(cli, ["sweep", "-", "--device", "cpu", "--no-measured"], input=TEXT)
    assert "cross: estimated effect" in guess.stdout
    assert "pearson" not in guess.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a text"),
        ([TEXT, "--objective", '{"label": "good"}'], "knows no classes"),
        ([TEXT, "--objective", "{}"], "objective: an objective is of tokens or of a label"),
        ([TEXT, "--objective", '{"tokens": [99]}'], "does not exist"),
    ],
)
def test_what_cannot_be_swept_is_said(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, ["sweep", *arguments, "--device", "cpu"])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_an_objective_that_is_no_json() -> None:
    done = CliRunner().invoke(cli, ["sweep", TEXT, "--objective", "tokens"])
    assert done.exit_code == 2
    assert "expected JSON" in done.stderr
