"""What a server sends of the explorer and the lab: few files, joined, compressed ahead, and named by what is in them.

A page itself has one name, and is asked for each time; all else may be kept for ever, since whatever changes has
another name then. A wheel has these files ready in static/built; from the work tree they are made when they are needed.
gzip alone: with it all of the explorer is a third of what a first visit may cost, and Python brings it along.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from heedmap.model.page.files import BUILT, STATIC, Files, rooted, stamp
from heedmap.model.page.linker import parsed

INDEX = "index.html"
LAB = "lab.html"
PAGES = {INDEX: "explorer", LAB: "lab"}  # and what their style sheet and program are called
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
DIGITS = 16  # of a hash in a name: 64 bits, of some ten files


@dataclass(frozen=True)
class Asset:
    """A file that is sent: its name is its address, relative to the page's. `packed` is gzip's."""

    name: str
    packed: bytes

    @property
    def media_type(self) -> str:
        """What it is."""
        return TYPES[PurePosixPath(self.name).suffix]

    @property
    def plain(self) -> bytes:
        """For the few who do not take gzip."""
        return gzip.decompress(self.packed)

    @property
    def tag(self) -> str:
        """Changes with what is in it."""
        return hashlib.sha256(self.packed).hexdigest()[:32]


def assets(folder: Path = STATIC) -> Mapping[str, Asset]:
    """What is sent, by its address: as a wheel has it, or made of the files as they are now.

    Raises:
        LinkError: a file is written in a way that is not joined.
    """
    ready = folder / BUILT
    return _ready(ready) if (ready / f"{INDEX}.gz").is_file() else _made(folder, stamp(folder))


def write(target: Path, folder: Path = STATIC) -> list[str]:
    """Make the files ready in a folder, as a wheel has them in static/built; returns their names."""
    names = []
    for name, asset in made(folder).items():
        path = target / f"{name.removeprefix(f'{BUILT}/')}.gz"
        path.write_bytes(asset.packed)
        names.append(path.name)
    return names


def made(folder: Path = STATIC) -> dict[str, Asset]:
    """What is sent, made of the explorer's files. The same files give the same bytes."""
    files: dict[str, Asset] = {}
    for page, program in PAGES.items():
        if page == INDEX or (folder / page).is_file():
            text = Files(folder).page(_Served(Files(folder), program, files), page)
            files[page] = Asset(page, packed(text.encode()))
    parsed.cache_clear()
    return files


def packed(content: bytes) -> bytes:
    """Compressed, without the time at which it was."""
    return gzip.compress(content, mtime=0)


@dataclass
class _Served:
    """Tags that name files with their hash."""

    files: Files
    program: str
    files_made: dict[str, Asset] = field(default_factory=dict)

    def styles(self, names: list[str], attributes: str) -> str:
        address = self._keep(f"{self.program}.css", self.files.css(names).encode())
        return f'<link rel="stylesheet" href="{address}"{attributes}>'

    def script(self, name: str) -> str:
        return f'<script src="{self._keep(name, self.files.read(name))}"></script>'

    def module(self, name: str) -> str:
        workers = {each: self._keep(each, self._linked(each)) for each in self.files.workers(name)}
        address = self._keep(f"{self.program}.js", self._linked(name, workers))
        return f'<script src="{address}" type="module"></script>'

    def later(self, name: str, attributes: str) -> str:
        return f'<script data-src="{self._keep(name, self.files.read(name))}"{attributes}></script>'

    def _linked(self, name: str, workers: Mapping[str, str] | None = None) -> bytes:
        """A program; its own address is beside those of its workers."""
        root, _ = rooted(name)

        def worker(module: str) -> str:
            address = (workers or {})[str(PurePosixPath(root) / module)]
            return (
                f'new Worker(new URL({json.dumps(PurePosixPath(address).name)}, import.meta.url), {{ type: "module" }})'
            )

        return self.files.module(name, worker).encode()

    def _keep(self, name: str, content: bytes) -> str:
        path = PurePosixPath(name)
        address = f"{BUILT}/{path.stem}-{hashlib.sha256(content).hexdigest()[:DIGITS]}{path.suffix}"
        self.files_made[address] = Asset(address, packed(content))
        return address


@lru_cache(maxsize=2)
def _made(folder: Path, now: tuple[int, int, int]) -> Mapping[str, Asset]:
    return made(folder)


@lru_cache(maxsize=2)
def _ready(folder: Path) -> Mapping[str, Asset]:
    files = [Asset(path.name.removesuffix(".gz"), path.read_bytes()) for path in sorted(folder.glob("*.gz"))]
    named = [file if file.name in PAGES else Asset(f"{BUILT}/{file.name}", file.packed) for file in files]
    return {file.name: file for file in named}
