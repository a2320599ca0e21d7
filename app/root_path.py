"""Behind a proxy that serves the service under a path of its own and strips it: where callers see the service."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = b"x-forwarded-prefix"  # Traefik's and Spring's; nginx and Caddy send it where they are told to
LONGEST = 200  # characters: nobody nests services deeper, and a header is anybody's to write
# No empty segment, so that a Location can never start with "//", which is another host.
SEGMENTS = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class Prefix:
    """Puts the stripped prefix where the framework looks for it: the setting's, or else that of X-Forwarded-Prefix.

    A path that still has the prefix, from a proxy that does not strip it, is taken as it is.
    """

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        self.app, self.root_path = app, root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix = self.root_path or forwarded(dict(scope["headers"]).get(HEADER, b"").decode("latin-1"))
            if prefix:
                scope["root_path"] = prefix
                if not scope["path"].startswith(prefix + "/"):
                    scope["path"] = prefix + scope["path"]
        await self.app(scope, receive, send)


def forwarded(header: str) -> str:
    """The prefix that proxies name, the outermost first; none where it is no plain path."""
    joined = "".join(part.strip().rstrip("/") for part in header.split(","))
    return joined if len(joined) <= LONGEST and SEGMENTS.fullmatch(joined) else ""
