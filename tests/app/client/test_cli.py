"""The command line, as a user runs it."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.model.training.evaluate import Scores
from tests.app.client.conftest import TEXT
from tests.live import environment, free_port
from tests.model.hub import checkpoints

SCORES = Scores(31.2, "nrefs:1", 52.0, "nrefs:1", 2000, 9.0)


def heedmap(*arguments: str, stdin: str = "", columns: int = 100) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    command = [str(Path(sys.executable).with_name("heedmap")), *arguments]
    variables = {**environment(), "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=180, env=variables)


def test_predict_prints_the_translation_and_its_alignment() -> None:
    done = heedmap("predict", TEXT, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    text, caption, blank, heading, *rows = done.stdout.splitlines()
    assert "station" in text
    assert caption.startswith("cross-attention, layer ")
    assert blank == ""
    assert heading.split() == ["Wo", "ist", "der", "Bahnhof", "?", "</s>"]
    station = next(row for row in rows if row.startswith("station"))
    assert station.split()[:3] == ["station", "←", "Bahnhof"]


def test_predict_asks_a_service_and_shows_the_same(url: str) -> None:
    here = heedmap("predict", "-", "--layer", "0", "--head", "1", "--device", "cpu", stdin=TEXT)
    there = heedmap("predict", TEXT, "--layer", "0", "--head", "1", "--url", url)
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout
    assert "layer 0, head 1" in there.stdout


def test_predict_as_json(url: str) -> None:
    done = heedmap("predict", TEXT, "--url", url, "--json", "--beam-size", "4")
    answer = json.loads(done.stdout)
    assert "station" in answer["text"]
    assert answer["score"] < 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["predict", ""], 2, "heedmap: the text is empty"),
        (["predict", "Ja.", "--model", "nowhere"], 1, "heedmap: 'nowhere' is neither a shipped model"),
        (["predict", "Ja.", "--url", f"http://127.0.0.1:{free_port()}"], 1, "did not answer"),
        (["predict", "Ja.", "--head", "99"], 2, "heedmap: head 99 does not exist"),
        (["predict"], 2, "heedmap: give a text, or a file with --image or --audio"),
        (["predict", "--image", "gone.png"], 2, "gone.png"),
        (["predict", "--image", __file__], 2, "heedmap: this model translates text"),
        (["predict", "Ja.", "--audio", __file__], 2, "heedmap: a recording stands alone"),
        (["predict", "Ja.", "--model", "de-en?dtype=int3"], 1, "heedmap: there is no dtype 'int3'"),
        (["convert", "gone", "--out", "new"], 1, "heedmap: gone is not there"),
        (["serve", "--load", "later"], 2, "later"),
        (["serve", "--model", "no-path"], 1, "heedmap: models: "),
        (["serve", "--port", "99999999"], 1, "heedmap: port: "),
        (["serve", "--device", "abacus"], 2, "abacus"),
        (["evaluate", "--references", "nowhere.jsonl"], 2, "heedmap: there is no nowhere.jsonl"),
        (["evaluate", "--references", __file__], 2, "heedmap: test_cli.py line 1: expected a line of JSON"),
        (["train", "--data", __file__, "--out", "new"], 2, "heedmap: test_cli.py line 1: expected two sentences"),
    ],
)
def test_mistakes_end_in_one_line(arguments: list[str], status: int, message: str) -> None:
    done = heedmap(*arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not message.startswith("heedmap: ") or len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "gone=/nowhere/at-all"}, "the model gone cannot be served from /nowhere/at-all: .*config.json"),
        ({"traces": __file__}, "traces: .* cannot be made a folder .*--traces"),
        ({"HEEDMAP_PORT": "many"}, "HEEDMAP_PORT: .* valid integer"),
        ({"HEEDMAP_RATE": "often"}, "HEEDMAP_RATE: a rate reads like 120/minute"),
        ({"HEEDMAP_DEVICE": "abacus"}, "HEEDMAP_DEVICE: "),
        ({"HEEDMAP_DEVICE": "cuda:99"}, "device: cuda:99 is not on this machine"),
        ({"host": "nowhere.invalid"}, "host: 'nowhere.invalid' is no address of this machine"),
        ({"host": "0.0.0.0"}, "host: other machines reach 0.0.0.0, and no API keys are set: .*heedmap key new.*--open"),
        ({"keys": "/nowhere/at-all"}, "keys: /nowhere/at-all cannot be read"),
        ({"HEEDMAP_API_KEYS": ","}, "HEEDMAP_API_KEYS: an entry is empty"),
        ({"HEEDMAP_API_KEYS": "short"}, "HEEDMAP_API_KEYS: key 1 has 5 characters: a key has at least 16"),
        ({"HEEDMAP_API_KEY": "key-0123456789abc"}, "HEEDMAP_API_KEY is what a client sends: .* HEEDMAP_API_KEYS"),
        ({"HEEDMAP_APIKEYS": "x"}, r"HEEDMAP_APIKEYS is no setting; did you mean HEEDMAP_API_KEYS\?"),
        ({"HEEDMAP_METRICS_PORT": "same"}, "metrics_port: .* is the service's own port"),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], message: str
) -> None:
    settings = {"port": str(free_port()), "traces": str(tmp_path), **options}
    for name in [name for name in settings if name.isupper()]:
        monkeypatch.setenv(name, settings.pop(name))
    if "HEEDMAP_PORT" in options:
        del settings["port"]
    if "HEEDMAP_METRICS_PORT" in options:
        monkeypatch.setenv("HEEDMAP_METRICS_PORT", settings["port"])
    command = [sys.executable, "-m", "heedmap.app.cli", "serve"]
    command += [part for name, value in settings.items() for part in (f"--{name}", value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert re.match(f"heedmap: {message}", line)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        command = [sys.executable, "-m", "heedmap.app.cli", "serve", "--traces", str(tmp_path)]
        done = subprocess.run(
            [*command, "--port", str(listener.getsockname()[1])], capture_output=True, text=True, timeout=180
        )
    assert done.returncode == 1
    assert re.fullmatch(r"heedmap: port: .* cannot be listened on \(Address already in use\); .*\n", done.stderr)


def test_evaluate_prints_scores_with_their_signatures(tmp_path: Path) -> None:
    references = tmp_path / "few.jsonl"
    lines = [{"source": TEXT, "targets": ["Where is the station?", "Where's the station?"]}]
    references.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = heedmap("evaluate", "--references", str(references), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    bleu, chrf, count = done.stdout.splitlines()
    assert bleu.startswith("BLEU ")
    assert "nrefs:" in bleu
    assert chrf.startswith("chrF ")
    assert count.startswith("1 sentences in ")


def test_train_passes_its_options_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    received: dict[str, Any] = {}

    def train_translation(data: Path, out: Path, architecture: str, recipe: Any, device: Any, **options: Any) -> None:
        received.update(data=data, out=out, architecture=architecture, recipe=recipe, device=str(device), **options)
        options["report"]({"epoch": 1, "loss": 2.5, "tokens_per_second": 4000.0})

    monkeypatch.setattr("heedmap.model.training.run.train_translation", train_translation)
    monkeypatch.setattr(
        "heedmap.model.training.run.score_and_card", lambda out, device, storage: {("test", "greedy"): SCORES}
    )
    pairs, tokenizer = tmp_path / "pairs.txt", tmp_path / "tokenizer.json"
    for path in (pairs, tokenizer):
        path.write_text("")
    options = {"--data": pairs, "--out": tmp_path / "run", "--architecture": "recurrent", "--tokenizer": tokenizer}
    more = {"--epochs": 3, "--batch-tokens": 500, "--seed": 7, "--device": "cpu"}
    arguments = [str(part) for pair in {**options, **more}.items() for part in pair]
    done = CliRunner().invoke(cli, ["train", *arguments])
    assert done.exit_code == 0, done.output
    assert (received["data"], received["out"], received["tokenizer"]) == (pairs, tmp_path / "run", tokenizer)
    assert (received["architecture"], received["device"]) == ("recurrent", "cpu")
    assert (received["recipe"].epochs, received["recipe"].batch_tokens, received["recipe"].seed) == (3, 500, 7)
    assert "epoch 1: loss 2.500, 4,000 tokens/s" in done.output
    assert "test, greedy: BLEU 31.20, chrF 52.00, 2,000 sentences" in done.output
    assert "README.md is its model card" in done.output


def test_train_without_sacrebleu_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("heedmap.model.training.run.train_translation", lambda *arguments, **options: None)
    monkeypatch.setattr("heedmap.model.training.run.score_and_card", lambda *arguments: pytest.fail("it scored"))
    monkeypatch.setattr("heedmap.app.train.find_spec", lambda name: None)
    (tmp_path / "pairs.txt").write_text("")
    arguments = ["--data", str(tmp_path / "pairs.txt"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    done = CliRunner().invoke(cli, ["train", *arguments])
    assert done.exit_code == 0, done.output
    assert "no scores and no card without sacreBLEU; pip install 'heedmap[train]'" in done.output


def test_a_pickled_checkpoint_is_converted(tmp_path: Path) -> None:
    folder = checkpoints.bert(tmp_path / "bert", "masked")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    done = heedmap("convert", str(folder), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\S+ holds \d+ tensors in [\d,]+ bytes: heedmap serve --model NAME=\S+\n", done.stdout)
    assert (tmp_path / "out" / "model.safetensors").is_file()
    again = heedmap("convert", str(folder), "--out", str(tmp_path / "out"))
    assert (again.returncode, "holds something already" in again.stderr) == (1, True)


def test_predict_with_a_hub_folder_shows_what_it_looked_at(tmp_path: Path) -> None:
    folder = checkpoints.bert(tmp_path / "bert", "sequence-classification")
    done = heedmap("predict", "Where is the station?", "--model", str(folder), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    *labels, caption, blank, attended = done.stdout.splitlines()
    assert {line.split()[1] for line in labels} == {"bad", "fair", "good"}
    assert caption == "attention, site encoder, layer 1, mean of heads, percent"
    assert (blank, attended[:6]) == ("", "all ← ")
    answer = heedmap("predict", "Where?", "--model", f"{folder}?task=text-classification", "--device", "cpu", "--json")
    assert [set(entry) for entry in json.loads(answer.stdout)] == [{"label", "score"}] * 3


def test_help_names_adapters() -> None:
    from heedmap.app.settings import Settings

    shown = " ".join(CliRunner().invoke(cli, ["serve", "--help"], env={"COLUMNS": "400"}).output.split())
    assert "NAME=BASE?adapter=PATH" in shown
    assert "name=BASE?adapter=PATH" in str(Settings.model_fields["models"].description)
