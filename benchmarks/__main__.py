"""Run the benchmarks, all or those named, and keep what each printed in RESULTS.md.

python -m benchmarks [capture] [families] [length] [explorer] [visit] [reading] [decode] [continuous] [wire] [serving]
    [overload] [sharing] [stored] [soak] [alignment] [simultaneous] [effects] [measures]
    [faithfulness] [sources] [device]
"""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks import (
    alignment,
    capture,
    continuous,
    decode,
    device,
    effects,
    explorer,
    faithfulness,
    families,
    length,
    measures,
    overload,
    reading,
    serving,
    sharing,
    simultaneous,
    soak,
    sources,
    visit,
    wire,
)
from benchmarks.measure import Report, machine

RESULTS = Path(__file__).with_name("RESULTS.md")
BENCHMARKS: dict[str, Callable[[], Report]] = {
    "capture": capture.measure,
    "families": families.measure,
    "length": length.measure,
    "explorer": explorer.measure,
    "visit": visit.measure,
    "reading": reading.measure,
    "decode": decode.measure,
    "continuous": continuous.measure,
    "wire": wire.measure,
    "serving": serving.measure,
    "overload": overload.measure,
    "sharing": sharing.measure,
    "stored": sharing.stored,
    "soak": soak.measure,
    "alignment": alignment.measure,
    "simultaneous": simultaneous.measure,
    "effects": effects.measure,
    "measures": measures.measure,
    "faithfulness": faithfulness.measure,
    "sources": sources.measure,
    "device": device.measure,
}
INTRODUCTION = (
    "# Benchmarks\n\nWritten by `make bench`, or a section of it by `make bench ARGS=length`; each table is one run on "
    "one machine, its sides interleaved. The ratios are what carries over to other machines, not the times.\n"
)
HEADING = "\n## "


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print, and put each section in its place in RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    chosen = parser.parse_args(arguments).names
    names = chosen or [name for name in BENCHMARKS if name != "device" or torch.cuda.is_available()]
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
    for name in names:
        run_on = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}."
        section = BENCHMARKS[name]().markdown(run_on)
        print(section, flush=True)
        RESULTS.write_text(written(name, section), encoding="utf-8")
    print(f"written to {RESULTS}")


def written(name: str, section: str) -> str:
    """The page with one benchmark's section new and the others as they were."""
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = {part.partition("\n")[0].lower(): part.rstrip() for part in before.split(HEADING)[1:]}
    sections[name] = section.removeprefix(HEADING.strip() + " ").rstrip()
    return INTRODUCTION + "".join(f"{HEADING}{sections[each]}\n" for each in BENCHMARKS if each in sections)


if __name__ == "__main__":
    main()
