"""What can go wrong before the service answers: found out early, and said in one line instead of a traceback."""

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.http import telemetry
from heedmap.app.http.access.hosts import is_loopback
from heedmap.app.http.logs import take_over
from heedmap.app.settings import Settings, check_variables
from heedmap.model.errors import HeedmapError

if TYPE_CHECKING:  # who only checks settings does without PyTorch
    import uvicorn
    from fastapi import FastAPI

    from heedmap.app.http.protocol import Refused
    from heedmap.app.http.services import Services

SHUTDOWN_SECONDS = 1  # for answers that are being sent, once all work is done or given up
SWITCH = 0.001  # seconds until a busy event loop lets a worker go on between two operations: 0.005 starves it
SERVER_LOG = "uvicorn.error"  # where uvicorn says everything but its access lines


class StartupError(HeedmapError):
    """A setting that makes no sense on this machine."""


class Startup:
    """An application whose failure to start is kept in `error`; the server's log says nothing of it.

    A server that is handed the failure itself prints its traceback, which tells an operator whose folder is not there
    nothing.

    Args:
        warm: what is awaited once it has started, before the server listens.
    """

    def __init__(self, app: ASGIApp, warm: Callable[[], Awaitable[None]]) -> None:
        self.app, self.warm = app, warm
        self.error: BaseException | None = None
        log = logging.getLogger(SERVER_LOG)
        self._level = log.level
        log.setLevel(logging.CRITICAL + 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, but the text of a failed start."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        async def forward(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message = {**message, "message": ""}
            elif message["type"] == "lifespan.startup.complete":
                await self.warm()
                logging.getLogger(SERVER_LOG).setLevel(self._level)
            await send(message)

        try:
            await self.app(scope, receive, forward)
        except BaseException as error:
            self.error = error
            raise


def configured(app: ASGIApp, settings: Settings, refused: "Refused" = lambda kind, status: None) -> "uvicorn.Config":
    """The server of an application, with the limits that connections have; `refused` is told of what is over them."""
    import uvicorn

    from heedmap.app.http.protocol import limited

    return uvicorn.Config(
        app,
        http=limited(settings, refused),
        ws="none",
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        log_level="warning" if settings.log == "json" else "info",
        access_log=False,
        log_config=None,  # its lines are ours: `logs.take_over`
        proxy_headers=False,  # the application believes the proxies that are named, whatever server it runs in
    )


def run(app: "FastAPI", settings: Settings) -> None:
    """Serve until a signal ends it; what kept it from starting is raised.

    Raises:
        SystemExit: a worker has died.
    """
    from heedmap.app.http.server import Server, leave

    services: Services = app.state.services
    sys.setswitchinterval(SWITCH)
    take_over(settings.log)
    config = configured(app, settings, services.metrics.connection_refused)
    config.app = startup = Startup(app, services.warm)  # after the configuration has set the level of the server's log
    server = Server(config, services, settings.grace)
    try:
        server.run()
    except SystemExit:  # it did not start, and has its own status for that
        if startup.error is None:
            raise
    if startup.error is not None:
        raise startup.error
    leave(server.status, services)


def read_settings(arguments: Mapping[str, Any]) -> Settings:
    """The service's settings: of the command line, and of the environment what is None there.

    Raises:
        StartupError: names the option, or the variable, whose value makes no sense, or a variable that is no setting.
    """
    try:
        check_variables(os.environ)
    except ValueError as error:
        raise StartupError(str(error)) from error
    options = {name: value for name, value in arguments.items() if value is not None}
    try:
        settings = Settings(**options)
    except ValidationError as error:
        first = error.errors()[0]
        name, message = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
        source = name if name in options else f"HEEDMAP_{name.upper()}"
        raise StartupError(f"{source}: {message}", field=name) from error
    if "HEEDMAP_API_KEY" in os.environ and not has_keys(settings) and not settings.open:
        raise StartupError(
            "HEEDMAP_API_KEY is what a client sends: the keys of a service are HEEDMAP_API_KEYS; --open or "
            "HEEDMAP_OPEN=true serves without any",
            field="api_keys",
        )
    return settings


def has_keys(settings: Settings) -> bool:
    """Whether callers need a key."""
    return bool(settings.api_keys) or settings.keys_file is not None


def check(settings: Settings) -> None:
    """Find out what is wrong with the settings before models are loaded, which may take minutes.

    Raises:
        StartupError: the address cannot be listened on, or lets everybody in; the device is not there, or traces
            cannot be kept. HeedmapError: what spans need is not installed.
    """
    check_address("port", settings.host, settings.port)
    if settings.metrics_port is not None:
        if settings.metrics_port == settings.port:
            raise StartupError(
                f"metrics_port: {settings.port} is the service's own port; name another with HEEDMAP_METRICS_PORT",
                field="metrics_port",
            )
        check_address("metrics_port", settings.host, settings.metrics_port)
    check_entry(settings)
    telemetry.check(settings)
    check_traces(settings.trace_folder)
    check_device(settings.device)


def check_entry(settings: Settings) -> None:
    """Whether somebody has said who may ask.

    Raises:
        StartupError: other machines reach the address, and nobody has.
    """
    if not has_keys(settings) and not settings.open and not is_loopback(settings.host):
        raise StartupError(
            f"host: other machines reach {settings.host}, and no API keys are set: make one with heedmap key new "
            "--keys FILE and serve with --keys FILE, or set HEEDMAP_API_KEYS; --open or HEEDMAP_OPEN=true lets all in",
            field="host",
        )


def check_device(device: str) -> None:
    """Whether models can run there; auto always can.

    Raises:
        StartupError: there is no such device.
    """
    if not device.startswith("cuda"):
        return
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        there = f"there are {count}, counted from 0" if count else "PyTorch finds no CUDA device; cpu or auto runs here"
        raise StartupError(f"device: {device} is not on this machine: {there}", field="device")


def check_address(name: str, host: str, port: int) -> None:
    """Whether it can be listened on.

    Raises:
        StartupError: it cannot.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise StartupError(
            f"host: {host!r} is no address of this machine; 127.0.0.1 is for this machine alone, 0.0.0.0 for every one "
            "that reaches it",
            field="host",
        ) from error
    family, kind, protocol, _, address = addresses[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            other = "--port or HEEDMAP_PORT, or 0 for any that is free" if name == "port" else f"HEEDMAP_{name.upper()}"
            raise StartupError(
                f"{name}: {host}:{port} cannot be listened on ({error.strerror}); name another with {other}",
                field=name,
            ) from error


def check_traces(folder: Path) -> None:
    """Whether traces can be kept there.

    Raises:
        StartupError: they cannot.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(
            f"traces: {folder} cannot be made a folder ({error.strerror}); name another with --traces or "
            "HEEDMAP_TRACES",
            field="traces",
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StartupError(
            f"traces: {folder} cannot be read and written; change its permissions, or name another with --traces or "
            "HEEDMAP_TRACES",
            field="traces",
        )
