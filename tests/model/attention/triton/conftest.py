"""Kernels without their probe, on the card where there is one, else on the host by Triton's interpreter."""

from collections.abc import Iterator

import pytest

from heedmap.model.attention.triton import dispatch
from tests.model.attention.triton.layers import DEVICE


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Maps on the tests' device take the kernels, whatever a probe would say: the test compares them itself."""
    dispatch.forget()
    monkeypatch.setattr(dispatch, "DEVICES", {DEVICE})
    monkeypatch.setattr(dispatch, "_sound", lambda *_: True)
    assert dispatch.available()
    yield
    dispatch.forget()
