"""Requests of the Open Inference Protocol (KServe's V2), with Triton's binary tensors: JSON, then the tensors' bytes.

Every tensor is of BYTES: texts, or files as they are. In JSON its elements are texts, files as base64. In bytes each
element has its length before it, four bytes, little-endian; the JSON says how many bytes a tensor has, and the header
Inference-Header-Content-Length where the JSON ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heedmap.app.errors import Unreadable
from heedmap.app.requests.bodies import read_json
from heedmap.app.requests.inputs import kind
from heedmap.app.requests.schemas import ECHOED
from heedmap.app.settings import BATCH_INPUTS, MAPS_PER_REQUEST
from heedmap.model.errors import ParameterError

HEADER = "Inference-Header-Content-Length"
TEXTS = ("inputs", "target", "text", "text_pair", "question", "context", "source_sentence")
FILES = ("image", "audio")
NAMES = (*TEXTS, *FILES)
LENGTH = 4  # bytes that say how long an element is
OUTPUTS = MAPS_PER_REQUEST + 16  # outputs of one request: the most maps, and the others
DIGITS = 10  # of the length of a JSON part
# Parameters of the protocol and of Triton, which are no parameters of a model's.
OURS = ("binary_data_output", "priority", "timeout")


@dataclass(frozen=True)
class Output:
    """An output that is asked for, and whether as bytes."""

    name: str
    binary: bool


@dataclass(frozen=True)
class InferRequest:
    """What is asked.

    tensors: by name, an element each input. outputs: None where the caller leaves the choice.
    """

    id: str | None
    tensors: Mapping[str, list[str | bytes]]
    parameters: Mapping[str, Any]
    outputs: list[Output] | None
    binary: bool

    @property
    def inputs(self) -> list[Any]:
        """One for each element of the tensors: a text, or an object of parts."""
        if "inputs" in self.tensors:
            return self.tensors["inputs"]
        names = [name for name in self.tensors if name != "target"]
        columns = (self.tensors[name] for name in names)
        return [dict(zip(names, parts, strict=True)) for parts in zip(*columns, strict=True)]


def parse(body: bytes, header: str | None) -> InferRequest:
    """A request, from its body and the header that says where its JSON ends.

    Raises:
        Unreadable: it is none. ParameterError: it asks for what there is not.
    """
    end = len(body) if header is None else _json_length(header, len(body))
    data = read_json(body[:end])
    parameters = _object(data.get("parameters"), "parameters")
    binary = _flag(parameters, "binary_data_output", "parameters")
    tensors, used = _tensors(data.get("inputs"), memoryview(body)[end:])
    if used != len(body) - end:
        raise Unreadable(
            f"the tensors have {used:,} bytes by their binary_data_size, and {len(body) - end:,} are there",
            field="body",
        )
    identifier = data.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise ParameterError(f"expected text, got {kind(identifier)}", field="id")
    kept = {name: value for name, value in parameters.items() if name not in OURS}
    return InferRequest(identifier, tensors, kept, _outputs(data.get("outputs"), binary), binary)


def _json_length(header: str, most: int) -> int:
    if not (header.isascii() and header.isdigit() and len(header) <= DIGITS) or int(header) > most:
        raise Unreadable(
            f"expected the bytes of the JSON before the tensors, at most {most:,}, got {header[:ECHOED]!r}",
            field=HEADER,
        )
    return int(header)


def _tensors(value: Any, binary: memoryview) -> tuple[dict[str, list[str | bytes]], int]:
    """The tensors by name, and how many bytes they took."""
    if not isinstance(value, list) or not 0 < len(value) <= len(NAMES):
        raise Unreadable(f"inputs is a list of 1 to {len(NAMES)} tensors", field="inputs")
    tensors: dict[str, list[str | bytes]] = {}
    used = 0
    for index, entry in enumerate(value):
        place = f"inputs.{index}"
        tensor = _object(entry, place)
        name = _name(tensor, place)
        if name not in NAMES or name in tensors:
            there = "is there twice" if name in tensors else f"is none that is read; there is {', '.join(NAMES)}"
            raise ParameterError(f"the tensor {name[:ECHOED]!r} {there}", field=f"{place}.name")
        count = _count(tensor, name, place)
        parameters = _object(tensor.get("parameters"), f"{place}.parameters")
        size = parameters.get("binary_data_size")
        if size is None:
            tensors[name] = _from_list(tensor.get("data"), count, name, f"{place}.data")
            continue
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(binary) - used:
            raise Unreadable(
                f"binary_data_size of the tensor {name} is a number of bytes, and {len(binary) - used:,} are there",
                field=f"{place}.parameters.binary_data_size",
            )
        if "data" in tensor:
            raise Unreadable(f"the tensor {name} has data and bytes; send one or the other", field=f"{place}.data")
        elements = elements_of(binary[used : used + size], count, place)
        tensors[name] = elements if name in FILES else [_text(part, name, place) for part in elements]
        used += size
    _check_together(tensors)
    return tensors, used


def _check_together(tensors: Mapping[str, list[str | bytes]]) -> None:
    if "inputs" in tensors and set(tensors) - {"inputs", "target"}:
        raise ParameterError("inputs stands alone, or parts such as question and context do", field="inputs")
    if set(tensors) == {"target"}:
        raise ParameterError("a target is of an input: send inputs too", field="inputs")
    if len({len(elements) for elements in tensors.values()}) > 1:
        raise ParameterError("all tensors have as many elements as there are inputs", field="inputs")


def _count(tensor: Mapping[str, Any], name: str, place: str) -> int:
    """How many elements a tensor says that it has."""
    if tensor.get("datatype") != "BYTES":
        raise ParameterError(
            f"the tensor {name} is of BYTES, not of {str(tensor.get('datatype'))[:ECHOED]}", field=f"{place}.datatype"
        )
    shape = tensor.get("shape")
    sizes = shape if isinstance(shape, list) else []
    whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if len(sizes) not in (1, 2) or not whole or sizes[1:] not in ([], [1]) or not 1 <= sizes[0] <= BATCH_INPUTS:
        raise ParameterError(
            f"the tensor {name} has the shape [N] or [N, 1], N from 1 to {BATCH_INPUTS}", field=f"{place}.shape"
        )
    return int(sizes[0])


def _from_list(value: Any, count: int, name: str, place: str) -> list[str | bytes]:
    """Elements from JSON: flat or nested as the shape is."""
    if not isinstance(value, list):
        raise Unreadable(f"the tensor {name} has neither data nor binary_data_size", field=place)
    flat = [part[0] if isinstance(part, list) and len(part) == 1 else part for part in value]
    if len(flat) != count:
        raise Unreadable(f"the tensor {name} has {len(flat):,} elements, and {count:,} by its shape", field=place)
    for index, part in enumerate(flat):
        if not isinstance(part, str):
            raise ParameterError(f"expected text, got {kind(part)}", field=f"{place}.{index}")
    return flat


def elements_of(data: memoryview, count: int, place: str) -> list[str | bytes]:
    """The elements of a tensor of BYTES.

    Raises:
        Unreadable: there are not so many, or they do not take all of its bytes.
    """
    elements: list[str | bytes] = []
    at = 0
    while at < len(data) and len(elements) < count:
        begin = at + LENGTH
        end = begin + int.from_bytes(data[at:begin], "little")
        if begin > len(data) or end > len(data):
            raise Unreadable(f"element {len(elements)} goes on behind the end of its tensor", field=place)
        elements.append(bytes(data[begin:end]))
        at = end
    if len(elements) != count or at != len(data):
        raise Unreadable(
            f"a tensor of {len(data):,} bytes has {len(elements):,} elements in {at:,} of them, and {count:,} by its "
            "shape",
            field=place,
        )
    return elements


def _text(value: str | bytes, name: str, place: str) -> str:
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError:
        raise Unreadable(f"the tensor {name} is not UTF-8", field=place) from None


def _outputs(value: Any, binary: bool) -> list[Output] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list) or len(value) > OUTPUTS:
        raise Unreadable(f"outputs is a list of at most {OUTPUTS} names with their parameters", field="outputs")
    outputs: list[Output] = []
    for index, entry in enumerate(value):
        place = f"outputs.{index}"
        output = _object(entry, place)
        parameters = _object(output.get("parameters"), f"{place}.parameters")
        foreign = next((name for name in parameters if name != "binary_data" and parameters[name]), None)
        if foreign is not None:  # a class count, shared memory
            raise ParameterError(f"{foreign[:ECHOED]!r} of an output is not served", field=f"{place}.parameters")
        name = _name(output, place)
        if any(name == other.name for other in outputs):
            raise ParameterError(f"the output {name[:ECHOED]!r} is asked for twice", field=f"{place}.name")
        outputs.append(Output(name, _flag(parameters, "binary_data", f"{place}.parameters", binary)))
    return outputs


def _name(entry: Mapping[str, Any], place: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise Unreadable("it has no name", field=f"{place}.name")
    return name


def _object(value: Any, place: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"expected an object, got {kind(value)}", field=place)
    return value


def _flag(parameters: Mapping[str, Any], name: str, place: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Unreadable(f"expected true or false, got {kind(value)}", field=f"{place}.{name}")
    return value


_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"enum": list(NAMES)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": BATCH_INPUTS}, "minItems": 1},
        "datatype": {"const": "BYTES"},
        "data": {"type": "array", "items": {"type": "string"}},
        "parameters": {"type": "object", "properties": {"binary_data_size": {"type": "integer", "minimum": 0}}},
    },
}
_OUTPUT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {
            "type": "object",
            "description": "Those of the model, as POST /v1/predict has them, and binary_data_output.",
        },
        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1, "maxItems": len(NAMES)},
        "outputs": {"type": "array", "items": _OUTPUT, "maxItems": OUTPUTS},
    },
}
