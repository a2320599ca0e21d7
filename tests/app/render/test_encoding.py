"""What the clients send: arrays and files in JSON."""

import json

import numpy as np
import pytest

from heedmap.app.render.encoding import as_json, to_body


def test_arrays_are_lists_and_what_json_has_no_number_for_is_null() -> None:
    body = {"queries": np.array([[0.5, np.nan], [np.inf, 1]], np.float32), "heads": np.int64(4), "text": "Füße"}
    assert to_body(body) == '{"queries":[[0.5,null],[null,1.0]],"heads":4,"text":"Füße"}'.encode()
    assert json.loads(to_body({"scale": np.float32(np.nan)})) == {"scale": None}


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), (object(), TypeError)])
def test_what_is_no_json_is_not_sent(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        to_body({"value": value})


def test_files_are_base64() -> None:
    assert as_json({"image": b"\x00\x01", "more": [b"a", 1]}) == {"image": "AAE=", "more": ["YQ==", 1]}
