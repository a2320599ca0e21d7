"""The interpreter takes more than the compiler does: kernels are compiled too, which needs no card."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="published for Linux alone")

SHARED = 99 << 10  # bytes a program may have on the smallest cards since Ampere


def test_kernels_compile_for_cards_that_are_not_here(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.model.attention.triton.compiling"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [(name, products) for name, _, products in lines] == [
        ("overview", "wgmma.mma_async"),  # tensor cores
        ("statistics", "fma.rn.f32"),  # exact float32
        ("window", "wgmma.mma_async"),
    ]
    assert all(0 < int(shared) <= SHARED for _, shared, _ in lines)
