"""The bytes of tiles against files that were worked out by hand, which the browser's decoder reads too."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.render.wire import to_codes, to_signed_codes
from heedmap.app.service import tiles
from heedmap.app.settings import Settings
from tests.writer import tiny

GOLDEN = Path(__file__).parents[3] / "data" / "tiles"


def test_weights_have_the_codes_that_were_worked_out_by_hand() -> None:
    golden = json.loads((GOLDEN / "u8log.json").read_text())
    visible = np.array([weight is not None for weight in golden["weights"]])
    weights = np.array([weight or 0 for weight in golden["weights"]], np.float32)
    assert to_codes(weights, visible).tolist() == golden["codes"]


def test_signed_values_have_the_codes_that_were_worked_out_by_hand() -> None:
    golden = json.loads((GOLDEN / "s8log.json").read_text())
    visible = np.array([value is not None for value in golden["values"]])
    values = np.array([value or 0 for value in golden["values"]], np.float32)
    assert to_signed_codes(values, visible).tolist() == golden["codes"]


def test_a_batch_has_the_bytes_that_were_worked_out_by_hand(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks: dict[tuple[int, int], NDArray[np.uint8]] = {
        (0, 0): np.array([[255, 0, 0], [128, 64, 0]], np.uint8),
        (0, 1): np.zeros((2, 3), np.uint8),
        (1, 0): np.array([[1, 2, 254]], np.uint8),
    }

    async def tile(self: tiles.Tiles, *arguments: Any) -> NDArray[np.uint8]:
        return blocks[arguments[-2:]]

    monkeypatch.setattr(tiles.Tiles, "tile", tile)
    with TestClient(create_app(settings(models={"writer": str(tiny(tmp_path))}))) as client:
        trace = client.post("/v1/traces", json={"inputs": "no word " * 70, "target": "!"}).json()
        path = f"/v1/traces/{trace['id']}/tiles/decoder/0/0/max/1"
        answer = client.get(path, params={"tiles": "0:0,0:1,1:0"})
    assert answer.content == (GOLDEN / "batch.bin").read_bytes()
