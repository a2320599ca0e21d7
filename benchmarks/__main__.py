"""Run the benchmarks, all or those named, and keep the output of a whole run in RESULTS.md.

python -m benchmarks [capture] [families] [length] [decode] [wire]
"""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import capture, decode, families, length, wire
from benchmarks.measure import Report, machine

RESULTS = Path(__file__).with_name("RESULTS.md")
BENCHMARKS: dict[str, Callable[[], Report]] = {
    "capture": capture.measure,
    "families": families.measure,
    "length": length.measure,
    "decode": decode.measure,
    "wire": wire.measure,
}
INTRODUCTION = (
    "Written by `make bench`; each table is one run on one machine, its sides interleaved. The ratios are what carries "
    "over to other machines, not the times."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print, and write RESULTS.md when nothing was left out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
    head = f"# Benchmarks\n\n{INTRODUCTION}\n\n{datetime.now(UTC):%Y-%m-%d}, {machine()}.\n"
    print(head)
    sections = []
    for name in names:
        sections.append(BENCHMARKS[name]().markdown())
        print(sections[-1], flush=True)
    if set(names) == set(BENCHMARKS):
        RESULTS.write_text("\n".join([head, *sections]), encoding="utf-8")
        print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
