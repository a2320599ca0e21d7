"""`make data` leaves nothing under a file's name whose digest is not the one that is known."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("data_files", ROOT / ".build" / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_is_fetched_once_and_checked(data: ModuleType, tmp_path: Path) -> None:
    source, there = tmp_path / "source", tmp_path / "data" / "pairs.zip"
    source.write_bytes(b"pairs")
    file = data.File(source.as_uri(), hashlib.sha256(b"pairs").hexdigest())
    data.fetch(file, there)
    assert there.read_bytes() == b"pairs"
    source.unlink()
    data.fetch(file, there)  # it is there
    there.write_bytes(b"others")
    with pytest.raises(SystemExit, match="remove it"):
        data.fetch(file, there)


def test_another_file_is_not_taken(data: ModuleType, tmp_path: Path) -> None:
    source, there = tmp_path / "source", tmp_path / "pairs.zip"
    source.write_bytes(b"others")
    with pytest.raises(SystemExit, match="was expected"):
        data.fetch(data.File(source.as_uri(), "0" * 64), there)
    assert not there.exists()


def test_the_makefile_and_the_cards_know_the_same_files(data: ModuleType) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for name, file in data.FILES.items():
        assert name in makefile
        assert file.sha256 in notice
