"""`heedmap corpus`: files of every kind, what is wrong with them, and what is there when it is stopped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.corpus import command
from heedmap.app.corpus.reading import LINE_BYTES, Source
from heedmap.model.errors import InputError
from tests.model.hub import checkpoints, media_checkpoints

LINES = "Wo ist der Bahnhof?\n\nIch habe heute keine Zeit.\nDas Mädchen liest ein schönes Buch über Köln.\n"


def invoke(model: Path | str, file: Path, *arguments: str) -> Any:
    return CliRunner().invoke(cli, ["corpus", str(model), str(file), "--device", "cpu", *arguments])


def result_of(model: Path | str, file: Path, *arguments: str) -> dict[str, Any]:
    done = invoke(model, file, "--json", *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_table_of_all_heads_and_a_report(tiny: Path, tmp_path: Path) -> None:
    file, report = tmp_path / "<b>.txt", tmp_path / "report.html"
    file.write_text(LINES, encoding="utf-8")
    done = invoke(tiny, file, "--report", str(report), "--max-new-tokens", "6")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "3 sequences" in done.stdout
    for site in ("encoder", "decoder", "cross"):
        assert all(f"{site} {layer}.{head} " in done.stdout for layer in range(2) for head in range(4))
    assert done.stdout.count("aligns") == 1
    page = report.read_text(encoding="utf-8")
    assert "24 heads over 3 sequences" in page
    assert "&lt;b&gt;.txt" in page
    assert "<b>.txt" not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["<b>.txt", "report.html"]


def test_most_and_longest(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text(LINES, encoding="utf-8")
    result = result_of(tiny, file, "--most", "2", "--max-new-tokens", "6", "--together", "1")
    assert (result["inputs"], result["recorded"], result["interrupted"]) == (2, 2, False)
    assert [passage["line"] for passage in result["passages"]] == [1, 3]
    parts = result_of(tiny, file, "--longest", "32", "--max-new-tokens", "6")
    assert (parts["inputs"], parts["recorded"]) == (3, 4)
    whole = LINES.splitlines()[3]
    cut = [passage for passage in parts["passages"] if "start" in passage]
    assert "".join(whole[passage["start"] : passage["stop"]] for passage in cut) == whole
    assert {passage["line"] for passage in cut} == {4}


def test_json_lines_have_inputs_and_targets(tiny: Path, tmp_path: Path) -> None:
    rows = [
        {"inputs": "Wo ist der Bahnhof?", "target": "Where is the station?"},
        {"source": "Ich habe heute keine Zeit.", "targets": ["of training files"]},
        {"inputs": {"text": "no such", "text_pair": "of this model"}},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    read = list(Source(file, 4000).items())
    assert [(item.inputs, item.target, item.passage.line) for item in read] == [
        ("Wo ist der Bahnhof?", "Where is the station?", 1),
        ("Ich habe heute keine Zeit.", None, 2),
        ({"text": "no such", "text_pair": "of this model"}, None, 3),
    ]
    result = result_of(tiny, file, "--max-new-tokens", "6")
    assert result["recorded"] == 2
    assert result["refused"]["count"] == 1
    assert result["refused"]["first"][0]["line"] == 3


def families(folder: Path) -> dict[str, tuple[Path, Path, set[str]]]:
    """Tiny models, what each reads, and its sites."""
    texts, pictures, sounds = folder / "texts", folder / "pictures", folder / "sounds"
    for each in (texts, pictures, sounds):
        each.mkdir()
    (texts / "a.txt").write_text("the cat sat on the mat", encoding="utf-8")
    (texts / "other.bin").write_bytes(b"\0")
    (pictures / "p.png").write_bytes(media_checkpoints.as_png(media_checkpoints.picture()))
    (sounds / "s.wav").write_bytes(media_checkpoints.as_wav(media_checkpoints.speech()))
    return {
        "bert": (checkpoints.bert(folder / "bert"), texts, {"encoder"}),
        "gpt2": (checkpoints.gpt2(folder / "gpt2"), texts, {"decoder"}),
        "t5": (checkpoints.t5(folder / "t5"), texts, {"encoder", "decoder", "cross"}),
        "vit": (media_checkpoints.vit(folder / "vit"), pictures, {"encoder"}),
        "whisper": (media_checkpoints.whisper(folder / "whisper"), sounds, {"encoder", "decoder", "cross"}),
    }


def test_families_of_every_kind(tmp_path: Path) -> None:
    for family, (model, folder, sites) in families(tmp_path).items():
        result = result_of(model, folder)
        assert {site["name"] for site in result["sites"]} == sites, family
        assert result["recorded"] == 1, family
        assert all(head["entropy"] is not None for head in result["heads"]), family
        assert result["passages"][0]["name"] in ("a.txt", "p.png", "s.wav")


def too_long(path: Path) -> None:
    path.write_bytes(b"a line\n" + b"x" * (LINE_BYTES + 2))


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("empty.txt", lambda path: path.write_bytes(b"\n \n"), "empty.txt has no lines"),
        (
            "binary.txt",
            lambda path: path.write_bytes(b"a line\n\xff\xfe\x00"),
            "binary.txt, line 2: not UTF-8 at byte 0",
        ),
        ("zero.txt", lambda path: path.write_bytes(b"a line\n\n\x00"), "zero.txt, line 3: a zero byte"),
        ("long.txt", too_long, "long.txt, line 2: over 4,194,304 bytes"),
        ("a.jsonl", lambda path: path.write_bytes(b'{"inputs": "a"}\n{"inputs": '), "a.jsonl, line 2: no JSON"),
        ("b.jsonl", lambda path: path.write_bytes(b'\n["a"]'), 'b.jsonl, line 2: expected an object with "inputs"'),
        ("c.jsonl", lambda path: path.write_bytes(b'{"inputs": "a", "target": 3}'), "line 1: target: expected text"),
        (
            "d.jsonl",
            lambda path: path.write_bytes(b'{"inputs": {"words": "a"}}'),
            "line 1: inputs: an object with words",
        ),
        (
            "e.jsonl",
            lambda path: path.write_bytes(b'{"inputs": {"image": "http://a/b"}}'),
            "line 1: inputs.image: this is",
        ),
        ("f.jsonl", lambda path: path.write_bytes(b'{"inputs": ""}'), "f.jsonl, line 1: inputs: an empty text"),
        ("folder", lambda path: path.mkdir(), "folder is a folder without inputs"),
    ],
)
def test_a_bad_file_is_told_by_its_line(
    tiny: Path, tmp_path: Path, name: str, write: Callable[[Path], object], said: str
) -> None:
    write(tmp_path / name)
    done = invoke(tiny, tmp_path / name)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_a_place_for_the_report_that_is_not_there(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text(LINES, encoding="utf-8")
    done = invoke(tiny, tmp_path / "lines.txt", "--report", str(tmp_path / "nowhere" / "report.html"))
    assert "no folder" in str(done.exception)


def test_what_was_measured_until_it_was_stopped(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text(LINES * 8, encoding="utf-8")
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 12

    source = Source(file, 4000)
    result = command.here(str(tiny), source, {"max_new_tokens": 6}, "cpu", together=4, stop=stop)
    assert result["interrupted"]
    assert 0 < result["recorded"] < result["inputs"] == 24
    assert result["recorded"] % 4 == 0, "what is of a batch is there whole"
    assert all(head["entropy"] is not None for head in result["heads"])
