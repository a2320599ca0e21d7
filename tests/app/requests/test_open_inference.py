"""Requests of the Open Inference Protocol: literal bytes, and whatever else somebody sends."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedmap.app.errors import ServiceError, TooLarge, Unreadable
from heedmap.app.render.tensors import floats, integers, texts, to_body
from heedmap.app.requests.open_inference import NAMES, elements_of, parse
from heedmap.app.settings import BATCH_INPUTS
from heedmap.model.errors import InputError

TENSOR: dict[str, Any] = {"name": "inputs", "shape": [1], "datatype": "BYTES", "data": ["Hallo."]}


def request(*tensors: dict[str, Any], binary: bytes = b"", **more: Any) -> tuple[bytes, str]:
    head = json.dumps({"inputs": list(tensors), **more}).encode()
    return head + binary, str(len(head))


def test_a_request_of_literal_bytes() -> None:
    head = b'{"inputs":[{"name":"inputs","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":12}}]}'
    tail = b"\x01\x00\x00\x00a\x03\x00\x00\x00\xe4\xb8\xad"
    parsed = parse(head + tail, str(len(head)))
    assert parsed.inputs == ["a", "中"]
    assert (parsed.id, parsed.outputs, parsed.binary, parsed.parameters) == (None, None, False, {})


def test_an_answer_of_literal_bytes() -> None:
    tensors = [texts("text", ["中"], True), floats("map", np.array([[0.5, 1.0]]), True), integers("ids", [1, 2], False)]
    body, end = to_body({"model_name": "m"}, tensors)
    assert (
        body
        == (
            b'{"model_name":"m","outputs":['
            b'{"name":"text","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":7}},'
            b'{"name":"map","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},'
            b'{"name":"ids","datatype":"INT64","shape":[2],"data":[1,2]}]}'
        )
        + b"\x03\x00\x00\x00\xe4\xb8\xad"
        + b"\x00\x00\x00?\x00\x00\x80?"
    )
    assert end == len(body) - 15
    assert to_body({}, [floats("score", np.array([np.nan]), False)])[0] == (
        b'{"outputs":[{"name":"score","datatype":"FP32","shape":[1],"data":[null]}]}'
    )


def test_files_stay_bytes_and_parts_make_objects() -> None:
    size = {"binary_data_size": 6}
    image = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": size}
    text = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [["what?"]]}
    parsed = parse(*request(image, text, binary=b"\x02\x00\x00\x00\xff\xd8"))
    assert parsed.inputs == [{"image": b"\xff\xd8", "text": "what?"}]


def test_outputs_and_parameters() -> None:
    outputs = [{"name": "text", "parameters": {"binary_data": False}}, {"name": "score"}]
    more = {"binary_data_output": True, "timeout": 5, "beam_size": 2}
    parsed = parse(*request(TENSOR, outputs=outputs, parameters=more, id="7"))
    assert parsed.id == "7"
    assert parsed.parameters == {"beam_size": 2}
    assert parsed.outputs is not None
    assert [(output.name, output.binary) for output in parsed.outputs] == [("text", False), ("score", True)]


def binary(size: Any, **changes: Any) -> dict[str, Any]:
    return {"name": "inputs", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": size}, **changes}


ONE = b"\x01\x00\x00\x00a"
WRONG: list[tuple[tuple[bytes, str | None], str]] = [
    ((b"", None), "JSON"),
    ((b"[]", None), "object"),
    ((b"{}", "x"), "before the tensors"),
    ((b"{}", "-1"), "before the tensors"),
    ((b"{}", "3"), "before the tensors"),
    ((b"{}", "9" * 5000), "before the tensors"),
    ((b"{}", "²"), "before the tensors"),
    (request(), "1 to 9 tensors"),
    (request(*[TENSOR] * 10), "1 to 9 tensors"),
    (request(TENSOR, TENSOR), "twice"),
    (request({**TENSOR, "name": "love"}), "none that is read"),
    (request({**TENSOR, "name": None}), "no name"),
    (request({**TENSOR, "datatype": "FP32"}), "not of FP32"),
    (request({**TENSOR, "shape": [2]}), "1 elements, and 2 by its shape"),
    (request({**TENSOR, "shape": [2**62]}), "N from 1 to"),
    (request({**TENSOR, "shape": [-1]}), "N from 1 to"),
    (request({**TENSOR, "shape": [True]}), "N from 1 to"),
    (request({**TENSOR, "shape": [1, 2]}), "N from 1 to"),
    (request({**TENSOR, "shape": []}), "N from 1 to"),
    (request({**TENSOR, "shape": None}), "N from 1 to"),
    (request({**TENSOR, "data": [5]}), "expected text"),
    (request({**TENSOR, "data": None}), "neither data"),
    (request({**TENSOR, "parameters": []}), "expected an object"),
    (request({**TENSOR, "parameters": {"binary_data_size": 5}}, binary=ONE), "data and bytes"),
    (request(TENSOR, binary=b"more"), "0 bytes by their binary_data_size, and 4 are there"),
    (request(binary(6), binary=ONE), "5 are there"),
    (request(binary(-1), binary=ONE), "5 are there"),
    (request(binary(5.0), binary=ONE), "5 are there"),
    (request(binary(4), binary=ONE), "goes on behind the end"),
    (request(binary(3), binary=ONE[:3]), "goes on behind the end"),
    (request(binary(10), binary=ONE * 2), "1 elements in 5"),
    (request(binary(5, shape=[2]), binary=ONE), "1 elements in 5"),
    (request(binary(8), binary=b"\xff\xff\xff\xff" + b"a" * 4), "goes on behind the end"),
    (request(binary(5), binary=b"\x01\x00\x00\x00\xff"), "not UTF-8"),
    (request(TENSOR, {**TENSOR, "name": "text"}), "stands alone"),
    (request({**TENSOR, "name": "target"}), "send inputs too"),
    (request(TENSOR, {**TENSOR, "name": "target", "shape": [2], "data": ["a", "b"]}), "as many elements"),
    (request(TENSOR, outputs=[{"name": "a"}, {"name": "a"}]), "twice"),
    (request(TENSOR, outputs=[{"name": ""}]), "no name"),
    (request(TENSOR, outputs=[{"name": "a", "parameters": {"shared_memory_region": "r"}}]), "not served"),
    (request(TENSOR, outputs=[{"name": "a", "parameters": {"binary_data": 1}}]), "true or false"),
    (request(TENSOR, outputs={"name": "a"}), "a list"),
    (request(TENSOR, parameters={"binary_data_output": 1}), "true or false"),
    (request(TENSOR, id=7), "expected text"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "said"), WRONG, ids=[str(index) for index in range(len(WRONG))])
def test_what_lies_is_refused_in_a_sentence(sent: tuple[bytes, str | None], said: str) -> None:
    with pytest.raises((ServiceError, InputError), match=said):
        parse(*sent)


def test_a_body_of_too_many_values_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse(b'{"inputs": [' + b"0," * (5 << 20), None)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("name", "shape", "datatype", "data", "parameters")
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES) | JUNK,
        "shape": st.lists(st.integers(-1, BATCH_INPUTS + 1), max_size=2) | JUNK,
        "datatype": st.sampled_from(["BYTES", "FP32"]) | JUNK,
    },
    optional={
        "data": st.lists(st.text(max_size=4), max_size=3) | JUNK,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 24) | JUNK}) | JUNK,
    },
)
BODIES = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=3) | JUNK},
    optional={"id": st.text(max_size=3) | JUNK, "parameters": JUNK, "outputs": st.lists(JUNK, max_size=2) | JUNK},
)


@settings(max_examples=400, deadline=None)
@given(body=BODIES, tail=st.binary(max_size=24), shift=st.integers(-2, 2) | st.none())
def test_nothing_but_a_refusal_or_a_request_comes_of_junk(body: Any, tail: bytes, shift: int | None) -> None:
    head = json.dumps(body).encode()
    try:
        parsed = parse(head + tail, None if shift is None else str(len(head) + shift))
    except (ServiceError, InputError):
        return
    assert 1 <= len(parsed.inputs) <= BATCH_INPUTS


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=64), count=st.integers(1, 4))
def test_elements_are_all_of_the_bytes_or_none(data: bytes, count: int) -> None:
    try:
        elements = elements_of(memoryview(data), count, "inputs.0")
    except Unreadable:
        return
    written = b"".join(len(part).to_bytes(4, "little") + part for part in elements if isinstance(part, bytes))
    assert (written, len(elements)) == (data, count)


@given(values=st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_what_is_written_is_read_again(values: list[str]) -> None:
    raw = texts("text", values, True).raw()
    tensor = binary(len(raw), shape=[len(values)])
    try:
        assert parse(*request(tensor, binary=raw)).inputs == values
    except UnicodeEncodeError:
        pytest.fail("a text of hypothesis can be encoded")
