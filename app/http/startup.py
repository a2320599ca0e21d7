"""What can go wrong before the service answers: found out early, and said in one line instead of a traceback."""

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.http.server import Server, leave
from heedmap.app.http.services import Services
from heedmap.app.settings import Settings
from heedmap.model.errors import HeedmapError

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


def run(app: FastAPI, settings: Settings) -> None:
    """Serve until a signal ends it; what kept it from starting is raised.

    Raises:
        SystemExit: a worker has died.
    """
    services: Services = app.state.services
    sys.setswitchinterval(SWITCH)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        log_level="warning" if settings.log == "json" else "info",
        access_log=False,
    )
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
        StartupError: names the option, or the variable, whose value makes no sense.
    """
    options = {name: value for name, value in arguments.items() if value is not None}
    try:
        return Settings(**options)
    except ValidationError as error:
        first = error.errors()[0]
        name, message = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
        source = name if name in options else f"HEEDMAP_{name.upper()}"
        raise StartupError(f"{source}: {message}", field=name) from error


def check(settings: Settings) -> None:
    """Find out what is wrong with the settings before models are loaded, which may take minutes.

    Raises:
        StartupError: the address cannot be listened on, the device is not there, or traces cannot be kept.
    """
    _check_address(settings.host, settings.port)
    _check_traces(settings.traces)
    check_device(settings.device)


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


def _check_address(host: str, port: int) -> None:
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
            raise StartupError(
                f"port: {host}:{port} cannot be listened on ({error.strerror}); name another with --port or "
                "HEEDMAP_PORT, or 0 for any that is free",
                field="port",
            ) from error


def _check_traces(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
