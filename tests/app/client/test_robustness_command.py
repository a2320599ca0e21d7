"""`heedmap robustness`: a report here as by a service, and nothing written where it cannot be had."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from heedmap.app import robustness
from heedmap.app.cli import cli
from heedmap.app.client.api import Client
from heedmap.model.errors import HeedmapError
from tests.model.hub import media_checkpoints

TEXT = "Wo ist der Bahnhof?"
QUICK = ["--perturbation", "swaps", "--strength", "0.2", "--seeds", "2"]


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["robustness", *arguments])


def test_a_report_is_written_here_as_by_a_service(url: str, client: Client, tmp_path: Path) -> None:
    results = []
    for name, arguments in (("here", ["--device", "cpu"]), ("there", ["--url", url, "--model", "de-en"])):
        page, numbers = tmp_path / f"{name}.html", tmp_path / f"{name}.json"
        done = invoke(TEXT, *QUICK, "--out", str(page), "--json", str(numbers), *arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        assert "1 of 1 inputs" in done.stdout
        assert b"Robustness of de-en" in page.read_bytes()
        results.append(json.loads(numbers.read_text(encoding="utf-8")))
    one, other = results
    assert one["curves"][0]["agreement"] == pytest.approx(other["curves"][0]["agreement"])
    assert one["heads"][0]["divergence"]["mean"] == pytest.approx(other["heads"][0]["divergence"]["mean"], abs=1e-4)
    assert not [job for job in client.jobs() if job.kind == "robustness"], "the service forgets the job"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.html", "here.json", "there.html", "there.json"]


def test_files_of_texts_and_pictures(tmp_path: Path) -> None:
    texts, out = tmp_path / "texts", tmp_path / "report.html"
    texts.write_text(f"{TEXT}\n\nIch habe keine Zeit.\n", encoding="utf-8")
    done = invoke("--file", str(texts), *QUICK, "--out", str(out), "--device", "cpu")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "2 of 2 inputs" in done.stdout
    folder, picture = media_checkpoints.vit(tmp_path / "vit"), tmp_path / "<b>.png"
    picture.write_bytes(media_checkpoints.as_png(media_checkpoints.picture()))
    done = invoke(
        *("--image", str(picture), "--model", str(folder), "--perturbation", "occlusion", "--strength", "0.2"),
        *("--seeds", "1", "--out", str(out), "--device", "cpu"),
    )
    assert done.exit_code == 0, (done.output, done.exception)
    page = out.read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page
    assert "&lt;b&gt;.png" in page
    assert "<b>.png" not in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give texts, --file, --image or --audio"),
        ([TEXT, "--strength", "2"], "over 0 and at most 1"),
        ([TEXT, "--seeds", "0"], "seeds"),
        ([TEXT, "--perturbation", "blur"], "does not fit texts"),
        ([TEXT, "--perturbation", "rain"], "perturbations"),
        ([" "], "nothing to perturb"),
        ([TEXT, "--model", "nowhere"], "neither a shipped model"),
        ([TEXT, "--out", "/nowhere/at/all/report.html"], "no folder"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments, "--device", "cpu")
    assert done.exit_code != 0
    assert isinstance(done.exception, HeedmapError), done.output
    assert said in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_for_a_model_of_texts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(media_checkpoints.as_png(media_checkpoints.picture()))
    monkeypatch.chdir(tmp_path)
    done = invoke("--image", str(picture), "--device", "cpu", "--perturbation", "blur")
    assert isinstance(done.exception, HeedmapError)
    assert "translates text" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_somebody_who_stops_waiting_cancels_the_job(url: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        robustness.there(url, None, "de-en", {"inputs": [TEXT] * 20, "seeds": 50})
    assert not [job for job in client.jobs() if job.kind == "robustness"]
