"""What every route works with, gathered in one object on the app."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from starlette.requests import Request

from app.callers import Caller
from app.engine import Engine
from app.errors import NotFound
from app.observe import Metrics
from app.settings import Settings
from app.store import Held, TraceStore
from model.errors import CheckpointError, ParameterError
from model.served import Served, load_served

log = structlog.get_logger("heedmap")


@dataclass
class Services:
    """The settings, the worker, the traces and the models of one app."""

    settings: Settings
    engine: Engine
    store: TraceStore
    metrics: Metrics
    models: dict[str, Served] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each model says of itself

    def load(self) -> None:
        """Load the models and open the store; runs on the worker.

        Raises:
            CheckpointError: a model is no sound checkpoint; its message names the model.
        """
        import torch

        device = self.settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        models = {}
        for name, path in self.settings.models.items():
            try:
                models[name] = load_served(Path(path), device)
            except CheckpointError as error:
                raise type(error)(f"the model {name} cannot be served from {path}: {error}") from error
            log.info("model_loaded", model=name, device=device, revision=models[name].revision)
        self.store.open()
        self.facts = {name: model.describe() for name, model in models.items()}
        self.models = models

    def model(self, name: str | None) -> tuple[str, Served]:
        """A model by its name, or the only one.

        Raises:
            NotFound: there is none of that name. ParameterError: several are served and none is named.
        """
        names = ", ".join(self.models)
        if name is None:
            if len(self.models) > 1:
                raise ParameterError(f"several models are served, name one of {names}", field="model")
            name = next(iter(self.models))
        if name not in self.models:
            raise NotFound(f"there is no model {name[:100]!r} here; there is {names}", field="model")
        return name, self.models[name]

    async def trace(self, caller: Caller, identifier: str) -> Held:
        """A trace of the caller's, from memory or from its file.

        Raises:
            NotFound: the caller has no such trace. TraceError: its file is damaged.
        """
        held = self.store.peek(caller.owner, identifier)
        if held is not None:
            return held
        return await self.engine.run(lambda: self.store.get(caller.owner, identifier))


def services(request: Request) -> Services:
    """A dependency: the app's services."""
    found: Services = request.app.state.services
    return found
