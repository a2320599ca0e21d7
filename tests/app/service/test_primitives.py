"""A service that meets shape after shape of input keeps no compiled product for each of them for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heedmap.app.service import primitives

SHAPES = """
import sys
from pathlib import Path
from heedmap.app.service import primitives
if sys.argv[1] == "limited":
    primitives.limit()
import torch
from heedmap.model.native.packed_linear import PackedLinear
def held():
    return int(Path("/proc/self/smaps_rollup").read_text().split("Anonymous:")[1].split()[0])
packed = PackedLinear(torch.nn.Linear(64, 64))
with torch.inference_mode():
    for rows in range(1, 301):
        packed(torch.zeros(rows, 64))
    before = held()
    for rows in range(301, 901):
        packed(torch.zeros(rows, 64))
print(held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read where Linux says it")
def test_shape_after_shape_takes_no_more_memory() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in primitives.VARIABLES}
    grown = {}
    for how in ("limited", "as PyTorch has it"):
        line = [sys.executable, "-c", SHAPES, how]
        done = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=Path.cwd(), check=True)
        grown[how] = int(done.stdout)
    assert grown["limited"] < grown["as PyTorch has it"] / 2, grown


def test_whoever_runs_the_service_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in primitives.VARIABLES:
        monkeypatch.setenv(name, "7")
    primitives.limit()
    assert {os.environ[name] for name in primitives.VARIABLES} == {"7"}
