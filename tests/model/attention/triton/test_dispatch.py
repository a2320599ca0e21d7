"""Kernels are tried before they are trusted, and nothing fails for want of one."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from heedmap.model.attention import tiles
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal
from heedmap.model.attention.triton import dispatch, probe
from tests.model.attention.triton.layers import DEVICE, layer, on_the_plain_path

pytest.importorskip("triton", reason="published for Linux alone")
pytestmark = [pytest.mark.cuda] if DEVICE == "cuda" else []


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Verdicts of its own, on small maps, and kernels on the tests' device."""
    monkeypatch.setattr(dispatch, "DEVICES", {DEVICE})
    monkeypatch.setattr(probe, "QUERIES", 20)
    monkeypatch.setattr(probe, "KEYS", 30)
    dispatch.forget()
    yield
    dispatch.forget()


NAMES = ("window", "statistics", "overview")


def made(one: AttentionMap, name: str) -> torch.Tensor:
    """What this kernel makes of a map, or the plain path in its place."""
    if name == "window":
        values = one.window()
    elif name == "statistics":
        values = torch.stack(list(one.statistics().values()))
    else:
        values = tiles.reduce(one, *(range(tiles.size_at(length, 3)) for length in one.shape), 3, "max").values
    return values.cpu().double()


def check(one: AttentionMap, *names: str) -> None:
    for name in names or NAMES:
        torch.testing.assert_close(made(one, name), made(on_the_plain_path(one), name), atol=1e-5, rtol=1e-5)


def small(**kind: Any) -> AttentionMap:
    return layer(Causal(2), queries=20, keys=30, **kind)


def verdicts() -> dict[str, bool]:
    return {str(variant[0]): verdict for variant, verdict in dispatch._verdicts.items()}


@pytest.mark.parametrize("kind", [{}, {"dtype": torch.bfloat16, "biased": 1, "capped": True, "groups": 2}])
def test_sound_kernels_are_used(kind: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    check(small(**kind))
    assert verdicts() == {"triton": True, "window": True, "statistics": True, "overview": True}
    assert not caplog.records


def test_a_kernel_is_tried_once() -> None:
    tried = []
    sound = dispatch._sound
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "_sound", lambda name, *rest: tried.append(name) or sound(name, *rest))
        for _ in range(2):
            small().window()
        small(size=32).window()
    assert tried == ["window"] * 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["raises", "disagrees", "makes no numbers", "another shape"])
def test_a_kernel_with_a_fault_is_not_used_and_that_is_logged(
    name: str, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = dispatch._kernels(name)
    kernel = getattr(module, name)

    def change(value: torch.Tensor) -> torch.Tensor:
        return {"disagrees": value + 0.01, "makes no numbers": value * torch.nan}.get(fault, value[..., :-1])

    def faulty(*arguments: Any) -> Any:
        if fault == "raises":
            raise ValueError("no compiler")
        result = kernel(*arguments)
        if isinstance(result, dict):
            return {**result, "sink": change(result["sink"])}
        return change(result) if isinstance(result, torch.Tensor) else (change(result[0]), result[1])

    monkeypatch.setattr(module, name, faulty)
    check(small(), name)
    assert [each for each, verdict in verdicts().items() if not verdict] == [name]
    [record] = caplog.records
    assert name in record.getMessage()


def test_a_kernel_that_fails_later_is_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    one = small()
    check(one)
    for name in NAMES:

        def fail(*_: Any) -> Any:
            raise RuntimeError("out of shared memory")

        monkeypatch.setattr(dispatch._kernels(name), name, fail)
    check(one)
    assert list(verdicts().values()) == [True, False, False, False]
    assert len(caplog.records) == 3


def test_a_full_card_is_not_the_kernels_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    one = small()
    one.window()

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(dispatch._kernels("window"), "window", full)
    with pytest.raises(torch.OutOfMemoryError):
        one.window()
    assert verdicts()["window"]


def test_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> Any:
        raise ModuleNotFoundError("No module named 'triton'")

    monkeypatch.setattr(dispatch, "_kernels", absent)
    one = small()
    assert one.problem() is None
    check(one)


def test_the_interpreter_is_not_for_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "DEVICES", {"cuda"})
    monkeypatch.setattr(dispatch._kernels("language"), "interpreted", lambda: True)
    assert not dispatch.available()


def test_the_host_keeps_the_plain_path_and_imports_no_triton() -> None:
    program = """
import sys, torch
sys.modules["triton"] = None  # importing it fails
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Full
from heedmap.model.attention.scores import ScaledDot
one = AttentionMap(torch.zeros(1, 2, 4), torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), torch.full((1, 2), 4.0).log(),
                   ScaledDot(1.0), Full())
assert one.problem() is None
assert torch.allclose(one.window(), torch.tensor(0.25))
assert not [name for name in sys.modules if name.startswith("triton.")]
assert "heedmap.model.attention.triton.language" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
