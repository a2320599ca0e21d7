"""Request bodies: JSON, or multipart forms of texts and files, read within a limit while they stream."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.errors import Overloaded, ServiceError, TooLarge, Unreadable, UnsupportedMedia, raises
from heedmap.app.problems import PATH, problem_response
from heedmap.app.requests.compression import inflated
from heedmap.app.requests.inputs import check_size
from heedmap.app.settings import BATCH_INPUTS, FILE_BYTES
from heedmap.model.observer import stage

M = TypeVar("M", bound=BaseModel)
FORM_FIELDS = 400  # the most sentences of a comparison, and the other fields
STRUCTURED = ("parameters", "attention", "messages", "objective", "edits")  # form fields that hold JSON
VALUES = 1 << 20  # values in a JSON body without arrays: long texts have commas, one in fifty characters, and braces
DIGITS = 18  # of a Content-Length: Python refuses to read thousands
SMALL = 16 << 10  # bytes of a body that is read in less time than another thread takes to begin: 0.1 ms
TOGETHER = 8  # of the largest bodies that may be held at once
KEYS = 64  # fields of an object: none that is read has thirty
MOST_COUNTED = 4  # times as many values, commas in texts included, for which texts are looked for and left out
STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # what is no string, to the body's end
NAMED = 5  # of the unknown ones
FILES = ("image", "audio")  # form fields that hold files
CLOSE = {"Connection": "close"}
# Form fields that are parts of an input.
BESIDE = ("text", "text_pair", "question", "context", "source_sentence", "messages")


class BodyLimit:
    """Stops reading a body at so many bytes, whatever its headers say, as sent and, where compressed, as inflated.

    All bodies together may have eight times that: a request holds its own until it is answered. Small ones always
    get in.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit
        self.bytes = 0  # of the bodies that are held now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        size = int(declared) if declared.isdigit() and len(declared) <= DIGITS else 0
        body = _Body(self)
        try:
            if (declared.isdigit() and len(declared) > DIGITS) or size > self.limit:
                raise self.too_large()
            if size and self.bytes and self.bytes + size > TOGETHER * self.limit:
                raise self.crowded()
        except ServiceError as error:
            await problem_response(error)(scope, receive, send)
            return

        async def counted() -> Message:
            message = await receive()
            body.sent(len(message.get("body", b"")))
            return message

        encoding = headers.get(b"content-encoding", b"").decode("latin-1")
        try:
            await self.app(scope, inflated(counted, encoding, body.inflated), send)
        finally:
            self.bytes -= body.held

    def too_large(self, what: str = "") -> TooLarge:
        """What is said of a body over the limit."""
        return TooLarge(f"a request body may have {self.limit:,} bytes at most{what}", headers=CLOSE)

    def crowded(self) -> Overloaded:
        """What is said when all bodies together are over theirs."""
        detail = "the service holds as many large bodies as it may; try again in a moment, or send less at once"
        return Overloaded(detail, headers={"Retry-After": "1", **CLOSE})


class _Body:
    """The bytes of one request, as they come in."""

    def __init__(self, limit: BodyLimit) -> None:
        self.limit, self.read, self.unpacked, self.held = limit, 0, 0, 0

    def sent(self, size: int) -> None:
        """So many more came in."""
        self.read += size
        if self.read > self.limit.limit:
            raise self.limit.too_large()
        self._hold()

    def inflated(self, size: int) -> None:
        """So many more came out of a compressed one."""
        self.unpacked += size
        if self.unpacked > self.limit.limit:
            raise self.limit.too_large(", inflated")
        self._hold()

    def _hold(self) -> None:
        more = max(self.read, self.unpacked) - self.held
        if self.held + more > SMALL and self.limit.bytes + more > TOGETHER * self.limit.limit:
            raise self.limit.crowded()
        self.limit.bytes += more
        self.held += more


def parsed(model: type[M], *, forms: bool = True, values: int = VALUES) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads the body as this model, if it has no more values than that.

    Raises (in the request):
        UnsupportedMedia: neither JSON nor a form. Unreadable: not what it says it is. ValidationError: other fields.
    """

    types = "application/json" + (", multipart/form-data" if forms else "")

    @raises(TooLarge, Overloaded, UnsupportedMedia, Unreadable)
    async def read(request: Request) -> M:
        with stage("parse"):
            return await body_of(request)

    async def body_of(request: Request) -> M:
        media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media == "application/json" or (media.startswith("application/") and media.endswith("+json")):
            body = await request.body()
            if len(body) <= SMALL:
                return _from_json(model, body, values)
            return await run_in_threadpool(_from_json, model, body, values)
        if media == "multipart/form-data" and forms:
            return await _from_form(model, request)
        raise UnsupportedMedia(
            f"this route reads {types}, not {media}"
            + ("; with curl, add -H 'Content-Type: application/json'" if media.endswith("urlencoded") else ""),
            headers={"Accept-Post": types},
        )

    return read


def _from_json(model: type[M], body: bytes, most: int) -> M:
    return model.model_validate(read_json(body, most))


def read_json(body: bytes, most: int = VALUES) -> dict[str, Any]:
    """The object that a body is, if it has no more values than that.

    Raises:
        Unreadable: it is none. TooLarge: it has more.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}", field="body"
        ) from None
    values = count_values(body)
    if most < values <= MOST_COUNTED * most:
        values = count_values(STRINGS.sub(b"", body))
    if values > most:
        raise TooLarge(f"the body has about {values:,} values, at most {most:,} are read", field="body")
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the body is not JSON: {error}", field="body") from None
    if not isinstance(data, dict):
        raise Unreadable("the body must be a JSON object", field="body")
    _check_objects(data)
    return data


def count_values(body: bytes) -> int:
    """The values in a JSON body, about: at least so many where its texts have no commas and brackets, as base64."""
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _check_objects(data: dict[str, Any]) -> None:
    """Refuse objects with more fields than any that is read, before each is an error of its own.

    Raises:
        Unreadable: names the first of the fields.
    """
    objects = [("body", data)]
    for name, value in data.items():
        parts = value if isinstance(value, list) else [value]
        objects += ((name[:PATH], part) for part in parts if isinstance(part, dict))
    for path, fields in objects:
        if len(fields) > KEYS:
            first = ", ".join(repr(name[:40]) for name in list(fields)[:NAMED])
            raise Unreadable(
                f"an object of {len(fields):,} fields: {first}, ...; none that is read has over {KEYS}", field=path
            )


async def _from_form(model: type[M], request: Request) -> M:
    try:
        async with request.form(max_files=BATCH_INPUTS, max_fields=FORM_FIELDS) as form:
            files = {name: [await _content(name, value) for value in form.getlist(name)] for name in FILES}
            data = _form_data(form)
    except HTTPException as error:
        raise Unreadable(f"the form cannot be read: {error.detail}", field="body") from None
    except UnicodeDecodeError:
        raise Unreadable("the form is not UTF-8", field="body") from None
    data = _with_inputs(data, files)
    _check_objects(data)
    return await run_in_threadpool(model.model_validate, data)


async def _content(name: str, value: UploadFile | str) -> bytes | str:
    """A file's bytes, or what a text field of that name says: base64 then."""
    if isinstance(value, str):
        return value
    if value.size is not None:
        check_size(name, value.size, FILE_BYTES[name], name)
    return await value.read()


def _with_inputs(data: dict[str, Any], files: dict[str, list[Any]]) -> dict[str, Any]:
    """Files and texts beside them as the same inputs that JSON has; several files of one kind are a list of inputs."""
    parts = {name: data.pop(name) for name in BESIDE if name in data}
    if "sentences" in data:
        sentences = data.pop("sentences")
        parts["sentences"] = sentences if isinstance(sentences, list) else [sentences]
    sent = {name: values for name, values in files.items() if values}
    if not parts and not sent:
        return data
    if "inputs" in data:
        if list(sent) != ["image"] or parts:
            names = ", ".join((*sent, *parts))
            raise Unreadable(f"the form has inputs and also {names}; send one or the other", field="inputs")
        parts["text"] = data.pop("inputs")
    if len(sent) > 1:
        raise Unreadable("the form has an image and a recording; send one of them", field="inputs")
    inputs = [{name: value, **parts} for name, values in sent.items() for value in values] or [parts]
    return {**data, "inputs": inputs[0] if len(inputs) == 1 else inputs}


def _form_data(form: FormData) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name in form:
        values = form.getlist(name)
        if name in FILES:
            continue
        if any(not isinstance(value, str) for value in values):
            raise Unreadable(f"the form field {name[:100]!r} is text; files go into {' or '.join(FILES)}", field="body")
        if name in STRUCTURED:
            try:
                data[name] = orjson.loads(str(values[-1]))
            except orjson.JSONDecodeError as error:
                raise Unreadable(f"the form field is not JSON: {error}", field=name) from None
        else:
            data[name] = values[0] if len(values) == 1 else values
    return data


def request_body(model: type[BaseModel], *, forms: bool = True) -> dict[str, Any]:
    """What OpenAPI should say of a body that `parsed` reads; `main` adds the schemas it refers to."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {"application/json": {"schema": schema}}
    if forms:
        content["multipart/form-data"] = {"schema": FORM}
    return {"requestBody": {"required": True, "content": content}}


_TEXT = {"type": "string"}
_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM: dict[str, Any] = {
    "type": "object",
    "description": "The fields of the JSON body; an input's parts may stand as fields of their own, files as files.",
    "properties": {
        **dict.fromkeys(("inputs", "model", "target"), _TEXT),
        **dict.fromkeys(FILES, _FILE),
        **dict.fromkeys(BESIDE, _TEXT),
        "sentences": {"type": "array", "items": _TEXT},
        **{name: {**_TEXT, "contentMediaType": "application/json"} for name in STRUCTURED},
    },
}
