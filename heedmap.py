"""Heedmap: see where an attention model looks, exactly, without slowing it down.

    from heedmap import Client          # and AsyncClient: a running service, in numpy and Plotly
    from heedmap import Trace           # a trace file: Trace.load("trace.safetensors")
    from heedmap import load, Request, Parameters   # a model served in this process
    from heedmap import show            # a trace in a notebook: show("trace.safetensors")

Each name is loaded when it is first used, so that `import heedmap` takes no time. `Client` and `AsyncClient` need what
`pip install heedmap` brings; `show` what comes by `pip install 'heedmap[widget]'`; the others PyTorch and what comes by
`pip install 'heedmap[serve]'`.

In the work tree this file makes the folders beside it, `app/`, `model/` and `static/`, parts of the package; in the
wheel it is `heedmap/__init__.py`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heedmap.app.client.api import AsyncClient, Client
    from heedmap.model.contract import Parameters, Request
    from heedmap.model.load import load
    from heedmap.model.notebook import show
    from heedmap.model.trace.trace import Trace

    __version__: str

__all__ = ["AsyncClient", "Client", "Parameters", "Request", "Trace", "__version__", "load", "show"]

__path__ = [os.path.dirname(os.path.abspath(__file__))]

# Each public name's module, and the name it has there.
_HOMES = {
    "AsyncClient": ("app.client.api", "AsyncClient"),
    "Client": ("app.client.api", "Client"),
    "Parameters": ("model.contract", "Parameters"),
    "Request": ("model.contract", "Request"),
    "Trace": ("model.trace.trace", "Trace"),
    "__version__": ("model", "__version__"),
    "load": ("model.load", "load"),
    "show": ("model.notebook", "show"),
}
_EXTRAS = {"show": "widget"}  # of what needs another than serve

if not TYPE_CHECKING:  # a type checker knows the names above, and should complain about any other

    def __getattr__(name: str) -> object:
        """A public name, from its module (PEP 562).

        Raises:
            AttributeError: there is no such name.
            ImportError: it needs what the base install does not bring.
        """
        if name not in _HOMES:
            raise AttributeError(f"module 'heedmap' has no attribute {name!r}")
        home, there = _HOMES[name]
        try:
            value = getattr(import_module(f"heedmap.{home}"), there)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in ("", "heedmap"):
                raise
            extra = _EXTRAS.get(name, "serve")
            sentence = f"heedmap.{name} needs {missing}, which is not installed: pip install 'heedmap[{extra}]'"
            raise ImportError(sentence, name=missing) from error
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """What there is, the names that are not loaded yet included."""
        return sorted({*globals(), *__all__})
