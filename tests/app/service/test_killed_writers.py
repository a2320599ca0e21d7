"""Fifty writers killed in the middle of their work: what they said was written is there and right, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

from heedmap.app.service.store import ANYONE, TraceStore
from heedmap.model.contract import Parameters, Request
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from tests.live import environment

KILLS = 50

# PyTorch is imported once; every writer is a fork of that process. It is killed after a few traces, somewhere between
# the start and the end of the next one, which takes about as long as the last.
WRITERS = """
import os, signal, sys, time
from pathlib import Path
from heedmap.app.service.store import ANYONE, TraceStore
from heedmap.model.trace.trace import Trace
trace, folder, kills, seconds = Trace.load(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), 0.01
for turn in range(kills):
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        store = TraceStore(folder, budget=1 << 40, memory=0, lifetime=1e6)
        for number in range(1_000_000):
            identifier = f"{turn * 1_000_000 + number:032x}"
            store.put("anyone", identifier, "tiny", trace)
            os.write(writes, identifier.encode())
    os.close(writes)
    with os.fdopen(reads, "rb") as said:
        for number in range(1 + turn % 3):
            started = time.perf_counter()
            print(said.read(32).decode(), end="", flush=True)
        seconds = time.perf_counter() - started if number else seconds
        time.sleep(seconds * turn / kills)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print(said.read().decode(), end="", flush=True)
"""


def test_none_is_lost_none_is_partial_none_is_wrong(tiny: Path, tmp_path: Path) -> None:
    [trace] = load(tiny).trace([Request("Wo ist der Bahnhof?", None, Parameters(max_new_tokens=4))])
    assert isinstance(trace, Trace)
    trace.save(tmp_path / "trace")
    folder = tmp_path / "traces"
    store = TraceStore(folder, budget=1 << 40, memory=0, lifetime=1e6)
    store.open()
    command = [sys.executable, "-c", WRITERS, str(tmp_path / "trace"), str(folder), str(KILLS)]
    done = subprocess.run(command, env=environment() | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said = {done.stdout[start : start + 32] for start in range(0, len(done.stdout), 32)}
    partial = list((folder / ANYONE).glob("*.partial"))
    store.sweep()
    kept = {path.stem: path for path in (folder / ANYONE).iterdir()}
    assert len(said) >= KILLS
    assert partial, "no writer was killed while it wrote"
    assert said <= kept.keys(), "what was said to be written is lost"
    assert len(kept) <= len(said) + KILLS, "a writer's last one may be there before it could say so"
    for identifier, path in kept.items():
        assert path.suffix == ".safetensors"
        assert store.get(ANYONE, identifier).trace.to_json() == trace.to_json()
    assert (len(store), store.bytes) == (len(kept), sum(os.stat(path).st_size for path in kept.values()))
