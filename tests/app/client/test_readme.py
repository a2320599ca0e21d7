"""What the README shows is run as it stands there, against the live service."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.live import environment

README = Path(__file__).resolve().parents[3] / "README.md"
SERVED = ("http://127.0.0.1:8000", "localhost:8000")  # where the README's service listens


def blocks(language: str, url: str) -> list[str]:
    """The README's code blocks of a language, asking the live service."""
    text = README.read_text(encoding="utf-8")
    for served in SERVED:
        text = text.replace(served, url)
    text = text.replace(SERVED[0].removeprefix("http://"), url.removeprefix("http://"))  # as tritonclient wants it
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def run(program: list[str], folder: Path) -> str:
    """Run a program in a folder; its output, or a failure with what it printed."""
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=120, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_python_of_the_readme_runs(url: str, tmp_path: Path) -> None:
    openai, triton, client, recomputation = blocks("python", url)
    written = run(
        [sys.executable, "-c", openai.replace("shakespeare", "de-en").replace("ROMEO:", "Guten Tag!")], tmp_path
    )
    assert re.search(r"[0-9a-f]{32}$", written.strip()), "the id of a trace"
    run([sys.executable, "-c", triton + "assert result.shape == (6, 6)"], tmp_path)
    assert "time" in run([sys.executable, "-c", client], tmp_path).splitlines()[0]
    assert "plotly" in (tmp_path / "cross.html").read_text(encoding="utf-8").lower()
    sums = re.findall(r"\d\.\d*", run([sys.executable, "-c", recomputation], tmp_path))
    np.testing.assert_allclose(np.array(sums, float), 1, atol=1e-4)
    assert len(sums) > 8, "a row per head at least"


def test_the_curl_of_the_readme_runs(url: str, tmp_path: Path) -> None:
    if subprocess.run(["sh", "-c", "command -v curl"], capture_output=True).returncode:
        pytest.skip("curl is not installed")
    [script] = blocks("bash", url)
    printed = run(["bash", "-e", "-c", script.replace("curl -s ", "curl -s --fail-with-body ")], tmp_path)
    assert "station" in printed
    assert np.load(tmp_path / "maps.npy").ndim == 3
    assert (tmp_path / "trace.safetensors").stat().st_size > 10_000
    assert (tmp_path / "head.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")
