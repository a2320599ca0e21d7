"""Prints what requirements.lock holds for extras, for pip: python .build/locked.py serve train > wanted.txt

    pip install --require-hashes --no-deps -r wanted.txt

The lock is uv's, for every extra, Python and platform at once; pip would install all of it. After each version it says
which packages it is there for ("# via"), and so which of them an extra needs.

PyTorch stands apart. Its builds, for the CPU or for CUDA, come from several indexes and from disks; they have one
version and many hashes, and the CUDA build alone brings gigabytes of libraries. All of that is left out, and comes by

    python .build/locked.py --versions > versions.txt && pip install --constraint versions.txt torch

in whatever build pip finds: the versions hold, hashes are not compared. `--torch` prints them with the hashes of PyPI's
builds, for an installation that wants nothing else.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BUILDS = re.compile(r"torch|triton|cuda-.*|nvidia-.*")


class Locked(NamedTuple):
    """One version: `lines` as pip reads them, and the packages that it is there for."""

    name: str
    lines: str
    parents: set[str]


def canonical(requirement: str) -> str:
    """The name of a distribution, as indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;@]", requirement.strip())[0]).lower()


def read(lock: str) -> list[Locked]:
    """The entries of a lock; a package has several where its version depends on Python or the platform."""
    entries = []
    for block in re.split(r"^(?=[\w-])", lock, flags=re.MULTILINE)[1:]:
        lines = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        comment = " ".join(line.lstrip(" #") for line in block.splitlines() if line.lstrip().startswith("#"))
        parents = {canonical(name) for name in comment.removeprefix("via").replace("(pyproject.toml)", "").split()}
        entries.append(Locked(canonical(block), "\n".join(lines), parents))
    return entries


def direct(extra: str, extras: dict[str, list[str]]) -> Iterator[str]:
    """The names of what an extra lists itself and by way of other extras."""
    for requirement in extras[extra]:
        if extras_of := re.fullmatch(r"heedmap\[(.+)\]", requirement):
            for other in extras_of[1].split(","):
                yield from direct(other.strip(), extras)
        else:
            yield canonical(requirement)


def needed(entries: list[Locked], names: set[str]) -> set[str]:
    """These packages and all that they bring along."""
    while more := {entry.name for entry in entries if entry.parents & names} - names:
        names = names | more
    return names


def main(arguments: list[str]) -> None:
    """Print the entries for the extras among the arguments."""
    entries = read((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    if "--versions" in arguments:
        print("\n".join(entry.lines.partition(" \\")[0] for entry in entries))
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {canonical(requirement) for requirement in project["dependencies"]}
    for extra in arguments:
        if extra != "--torch":
            wanted |= set(direct(extra, project["optional-dependencies"]))
    names = needed(entries, wanted)
    print(
        "\n".join(
            entry.lines
            for entry in entries
            if entry.name in names and ("--torch" in arguments or not BUILDS.fullmatch(entry.name))
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
