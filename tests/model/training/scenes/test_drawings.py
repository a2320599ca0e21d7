"""Drawings out of archives: whose sum is checked, drawn once, then kept."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from heedmap.model.errors import InputError
from heedmap.model.training.scenes import drawings as module
from heedmap.model.training.scenes.drawings import SIDE, Style, drawings
from heedmap.model.training.scenes.nouns import NOUNS

ICONS = {
    "width": 10,
    "height": 10,
    "icons": {"square": {"body": '<rect x="0" y="0" width="5" height="10" fill="#f00"/>'}},
}


def archive(folder: Path, names: dict[str, str]) -> Style:
    """An archive as npm packs it, with one icon, and the style that it is of."""
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        for name, content in (("icons.json", ICONS), ("chars.json", names)):
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    style = Style("plain", "@some/plain", "1.0.0", hashlib.sha256(buffer.getvalue()).hexdigest())
    (folder / style.archive).write_bytes(buffer.getvalue())
    return style


def test_an_archive_is_drawn_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    style = archive(tmp_path, {NOUNS[0].code: "square"})
    assert style.archive == "some-plain-1.0.0.tgz"
    monkeypatch.setattr(module, "STYLES", (style,))
    drawn = drawings(tmp_path, NOUNS[:1])["plain"]
    assert drawn.shape == (1, SIDE, SIDE, 4)
    assert drawn[0, 30, 10].tolist() == [255, 0, 0, 255]
    assert drawn[0, 30, 50, 3] == 0
    (tmp_path / style.archive).unlink()
    assert np.array_equal(drawings(tmp_path, NOUNS[:1])["plain"], drawn)


def test_what_is_missing_or_another_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    style = archive(tmp_path, {})
    monkeypatch.setattr(module, "STYLES", (style,))
    with pytest.raises(InputError, match=r"@some/plain draws no dog \(1f415\)"):
        drawings(tmp_path, NOUNS[:1])
    (tmp_path / style.archive).write_bytes(b"another")
    with pytest.raises(InputError, match=r"is not @some/plain 1\.0\.0 as it is known here"):
        drawings(tmp_path, NOUNS[:1])
    (tmp_path / style.archive).unlink()
    with pytest.raises(InputError, match="`make data` fetches it"):
        drawings(tmp_path, NOUNS[:1])
