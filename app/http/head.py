"""HEAD: every address that answers GET answers it too, with the same status and headers and no body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _Answered(Exception):
    """The headers are out, so nothing more of the body is asked for."""


class Head:
    """Lets routes answer HEAD as GET, and keeps the body back (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _Answered  # a file or a stream is not read to its end for nobody

        # A scope of its own: the server looks at the method of its own one, and waits for the body that a GET promises.
        inner = {**scope, "method": "GET"}
        try:
            await self.app(inner, receive, headers_only)
        except _Answered:
            pass
        finally:
            if "route" in inner:
                scope["route"] = inner["route"]  # by which requests are counted
