"""Request bodies: JSON, or multipart forms whose fields are text, read within a limit while they stream."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooLarge, Unreadable, UnsupportedMedia, problem_response

M = TypeVar("M", bound=BaseModel)
FORM_FIELDS = 100  # the largest batch, and the other fields
STRUCTURED = ("parameters", "attention")  # form fields that hold JSON


class BodyLimit:
    """Stops reading a body at so many bytes, whatever its headers say."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = TooLarge(f"a request body may have {self.limit:,} bytes at most", headers={"Connection": "close"})
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self.limit:
            await problem_response(refusal)(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise refusal
            return message

        await self.app(scope, counted, send)


def parsed(model: type[M], *, forms: bool = True) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads the body as this model.

    Raises (in the request):
        UnsupportedMedia: neither JSON nor a form. Unreadable: not what it says it is. ValidationError: other fields.
    """

    types = "application/json" + (", multipart/form-data" if forms else "")

    async def read(request: Request) -> M:
        media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media == "application/json" or (media.startswith("application/") and media.endswith("+json")):
            body = await request.body()
            return await run_in_threadpool(_from_json, model, body)
        if media == "multipart/form-data" and forms:
            return await _from_form(model, request)
        raise UnsupportedMedia(
            f"this route reads {types}, not {media}"
            + ("; with curl, add -H 'Content-Type: application/json'" if media.endswith("urlencoded") else ""),
            headers={"Accept-Post": types},
        )

    return read


def _from_json(model: type[M], body: bytes) -> M:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}", field="body"
        ) from None
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the body is not JSON: {error}", field="body") from None
    if not isinstance(data, dict):
        raise Unreadable("the body must be a JSON object", field="body")
    return model.model_validate(data)


async def _from_form(model: type[M], request: Request) -> M:
    try:
        form = await request.form(max_files=0, max_fields=FORM_FIELDS)
    except HTTPException as error:
        raise Unreadable(f"the form cannot be read: {error.detail}", field="body") from None
    except UnicodeDecodeError:
        raise Unreadable("the form is not UTF-8", field="body") from None
    return await run_in_threadpool(model.model_validate, _form_data(form))


def _form_data(form: FormData) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name in form:
        values = form.getlist(name)
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
    types = ("application/json", "multipart/form-data") if forms else ("application/json",)
    return {"requestBody": {"required": True, "content": {media: {"schema": schema} for media in types}}}
