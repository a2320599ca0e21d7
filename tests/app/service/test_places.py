"""What callers may know of where a model lies."""

from pathlib import Path

import pytest

from heedmap.app.service.places import public_message, public_source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/srv/models/bert", "bert"),
        ("/srv/models/bert?task=fill-mask", "bert?task=fill-mask"),
        ("~/models/bert", "bert"),
        ("org/name@v1?dtype=float16", "org/name@v1?dtype=float16"),
        ("org/base?adapter=/srv/adapters/one", "org/base?adapter=one"),
        ("org/name?device_map=auto&quantize=int8", "org/name?device_map=auto&quantize=int8"),
    ],
)
def test_a_source_shows_no_folder_above_it(source: str, expected: str) -> None:
    assert public_source(source) == expected


def test_a_message_shows_no_folder() -> None:
    message = "no config.json in /srv/my models/bert: convert it: heedmap convert '/srv/other/x' (see org/name, a/b)"
    expected = public_message(message, "/srv/my models/bert")
    assert expected == "no config.json in bert: convert it: heedmap convert 'x' (see org/name, a/b)"


def test_a_relative_folder_that_is_there_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert public_source("a/b") == "b"
    assert public_source("a/c") == "a/c"
