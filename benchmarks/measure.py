"""Measuring two things side by side: interleaved times, peak memory in fresh processes, the machine, the table."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

ROUNDS = 5  # fewer give no median worth the name
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Report:
    """One benchmark's outcome: a table, what it was measured on, and its targets with what was reached."""

    title: str
    about: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[str] = field(default_factory=tuple)

    def markdown(self, run_on: str = "") -> str:
        """The report as a section of a Markdown page; `run_on` says when and where."""
        targets = [f"- {target}" for target in self.targets]
        parts = [f"## {self.title}", run_on, self.about, table(self.headers, self.rows), "\n".join(targets)]
        return "\n\n".join(part for part in parts if part) + "\n"


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of every call, round by round, after one round that does not count.

    What disturbs the machine for a while then disturbs every side; each round starts with another side, so that none
    always runs after the same neighbour.
    """
    if rounds < ROUNDS:
        raise ValueError(f"rounds must be at least {ROUNDS}, got {rounds}")
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        calls[name]()
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            calls[name]()
            times[name].append(time.perf_counter() - start)
    return times


def ratio(times: Mapping[str, Sequence[float]], name: str, base: str) -> float:
    """The median over the rounds of what `name` took over what `base` took in the same round."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))


def peak_bytes() -> int:
    """The most memory that this process has held so far.

    Linux's ru_maxrss starts a child process from its parent's size, which would hide the child's own growth: the
    kernel's own high-water mark does not.
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def growth(work: Callable[[], object]) -> int:
    """Bytes by which `work` raises this process's peak over what it holds now; call it once in a fresh process."""
    if STATUS.exists():
        with suppress(OSError):  # where it is not allowed, the peak so far stands in for what is held
            Path("/proc/self/clear_refs").write_text("5")  # Linux: the high-water mark falls to the present size
    before = peak_bytes()
    work()
    return peak_bytes() - before


def in_fresh_process(module: str, *arguments: str) -> int:
    """Run `python -m module arguments`, whose last line of output is a JSON number."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stderr[-2000:]}")
    return int(json.loads(done.stdout.splitlines()[-1]))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned; all but the first are numbers."""
    widths = [max(len(row[column]) for row in [headers, *rows]) for column in range(len(headers))]

    def line(cells: Sequence[str]) -> str:
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([cells[0].ljust(widths[0]), *rest]) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(headers), rule, *(line(row) for row in rows)])


def verdict(text: str, value: float, target: float, at_most: bool) -> str:
    """A target in words: what was asked for, what was reached, and whether that meets it."""
    met = value <= target if at_most else value >= target
    return (
        f"{text}: {value:.2f}, target {'at most' if at_most else 'at least'} {target:g}: {'met' if met else 'missed'}"
    )


def machine() -> str:
    """The machine in a line or two: processor, cores, memory, software, and how busy it was."""
    busy = ""
    if hasattr(os, "getloadavg"):
        busy = f"; load average {os.getloadavg()[0]:.1f} when the run began"
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {affinity} cores, {memory:.0f} GiB of memory, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, PyTorch {torch.__version__} "
        f"({torch.backends.cpu.get_cpu_capability()}){busy}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or "unknown processor"
    family = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    features = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if flag in fields.get("flags", "").split()]
    details = ", ".join([*family, *features])
    return f"{name} ({details})" if details else name
