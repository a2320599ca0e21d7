"""Fetches what models are trained on and no repository may hold, and checks it: python .build/data.py FOLDER NAME...

A file that is there already is checked alone. One whose SHA-256 is another is never left under its name.
"""

import hashlib
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

SECONDS = 60  # without a byte
CHUNK = 1 << 20


class File(NamedTuple):
    """Where a file comes from, and its SHA-256."""

    address: str
    sha256: str


FILES = {
    # Tatoeba's English-Chinese pairs by way of manythings.org/anki, edition of 2026-02-13; CC BY 2.0 FR.
    "cmn-eng.zip": File(
        "https://raw.githubusercontent.com/wuyuhanwyh777-max/CET4Focus/475b882fee97ab839782287f57ac71a03476655e/data/"
        "cmn-eng.zip",
        "d606361aa7312dcdfb15ef4fc51cb1e7ed8bc2dc608a7b192626cd36e8403106",
    ),
}


def fetch(file: File, path: Path) -> None:
    """Have the file at this place, whole and as it is known.

    Raises:
        SystemExit: its bytes are others. OSError: it cannot be had.
    """
    if path.is_file():
        _check(path, file, hashlib.sha256(path.read_bytes()).hexdigest())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside, digest = path.with_name(path.name + ".partial"), hashlib.sha256()
    with urllib.request.urlopen(file.address, timeout=SECONDS) as answer, aside.open("wb") as out:  # noqa: S310
        while part := answer.read(CHUNK):
            digest.update(part)
            out.write(part)
    _check(aside, file, digest.hexdigest())
    aside.replace(path)


def _check(path: Path, file: File, digest: str) -> None:
    if digest != file.sha256:
        sys.exit(f"{path} has the SHA-256 {digest}, and {file.sha256} was expected of {file.address}: remove it")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        fetch(FILES[name], Path(sys.argv[1]) / name)
