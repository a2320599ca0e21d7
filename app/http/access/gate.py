"""Lets requests in before anything of their body is read, or says why not."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from heedmap.app.errors import Forbidden, ServiceError, Unauthorized, UnsupportedMedia
from heedmap.app.http.access import keys
from heedmap.app.http.access.hosts import SAFE, Hosts
from heedmap.app.http.access.keys import Key, Keys
from heedmap.app.http.access.rates import Rates, network_of
from heedmap.app.problems import problem_response
from heedmap.app.settings import Settings
from heedmap.app.ticket import ANYONE

CALLER = "heedmap.caller"  # where a request's scope holds who asks
# Asked without a key, and under whatever address a machine has.
PROBES = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
VERSIONED = re.compile(r"/v\d+(?:/|$)")  # the API; what is not is the explorer, which everybody may load
# What any key may ask for: what the service is.
DESCRIPTIONS = re.compile(r"/v1/(?:models|measures)(?:/.*)?|/v2(?:/(?:health|models)/.*)?", re.DOTALL)
READING = ("/v1/compare",)  # by a POST, of traces that are kept
ASKED = "/v2/repository/index"  # by a POST, which changes nothing
DRAINED = 1 << 16  # bytes of a refused body that are read and thrown away; a longer one ends the connection


@dataclass(frozen=True)
class Caller:
    """Whose traces are whose, and how many bytes of them may be kept."""

    owner: str
    keyed: bool
    quota: int | None = None  # bytes


@dataclass(frozen=True)
class Refused:
    """What stands in the metrics for the route of a request that never reached one."""

    path: str = "refused"


class Gate:
    """Lets a request in, or says why not."""

    def __init__(self, settings: Settings) -> None:
        self.keys, self.hosts, self.rates = Keys(settings), Hosts(settings), Rates(settings.rate)

    def check(self, scope: Scope) -> None:
        """Whether the request may be answered; an API request's scope then holds its caller.

        Raises:
            Misdirected: another host is meant. Forbidden: a page of elsewhere, or a key without the scope asks.
            Unauthorized: keys are on and this is none. RateLimited: too many requests, or wrong keys.
            UnsupportedMedia: the body does not say what it is.
        """
        headers, method = Headers(scope=scope), scope["method"]
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in PROBES:
            return
        self.hosts.check_host(headers)
        self.hosts.check_origin(method, headers)
        if not VERSIONED.match(path) and not (path.rstrip("/") == "/metrics" and self.keys.required):
            return
        scope[CALLER] = self.admit(scope)
        if method not in SAFE and path.startswith("/v1/") and "content-type" not in headers and _has_body(headers):
            raise UnsupportedMedia("the body does not say what it is: send Content-Type: application/json with it")

    def admit(self, scope: Scope) -> Caller:
        """The caller of a request to the API.

        Raises:
            Unauthorized: keys are on and this is none. Forbidden: the key has not the scope. RateLimited: too many.
        """
        client = scope.get("client")
        address = network_of(client[0]) if client else "unknown"
        if not self.keys.required:
            self.rates.count(address, None)
            return Caller(ANYONE, keyed=False)
        key = self._identify(Headers(scope=scope), address)
        self.rates.count(key.owner, key.rate)
        wanted = scope_of(scope["method"], scope["path"].removeprefix(scope.get("root_path", "")))
        if wanted is not None and wanted not in key.scopes:
            raise Forbidden(f"this needs a key with the scope {wanted}; this key has {', '.join(key.scopes)}")
        return Caller(key.owner, keyed=True, quota=key.bytes)

    def _identify(self, headers: Headers, address: str) -> Key:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        sent = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        if sent:
            self.rates.check_guesses(address)
            key = self.keys.find(sent.encode("latin-1"))
            if key is not None:
                return key
            self.rates.count_guess(address)
        raise Unauthorized(
            "send an API key of this service as X-API-Key or as Authorization: Bearer",
            headers={"WWW-Authenticate": "Bearer"},
        )


def scope_of(method: str, path: str) -> keys.Scope | None:
    """The scope that a key needs there; None where any key will do."""
    if path.rstrip("/") == "/metrics":
        return "admin"
    if path == ASKED:
        return None
    if method not in SAFE and path.rstrip("/") not in READING:
        return "predict"
    return None if DESCRIPTIONS.fullmatch(path) else "read"


class Access:
    """Asks the gate before anything else looks at a request."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app, self.gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self.gate.check(scope)
            except ServiceError as error:
                scope.setdefault("route", Refused())
                if _is_long(Headers(scope=scope)):
                    error.headers["Connection"] = "close"
                await problem_response(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0"


def _is_long(headers: Headers) -> bool:
    length = headers.get("content-length", "0").strip()
    return "transfer-encoding" in headers or not length.isdecimal() or len(length) > 9 or int(length) > DRAINED
