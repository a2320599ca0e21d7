"""Who translates while words come in: a model in this process, or a service."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from heedmap.app.client.alignment import source_of
from heedmap.app.client.api import Client
from heedmap.app.client.simultaneous import Interpreted

Interpreter = Callable[..., Interpreted]
"""Of the words so far, what is committed, and `final`, what is committed then."""


@contextmanager
def here(model: str, device: str, policy: Mapping[str, Any]) -> Iterator[Interpreter]:
    """An interpreter in this process: a model by its shipped name, or a checkpoint folder.

    Raises:
        CheckpointError: there is no such model. InputError: it does not translate simultaneously.
    """
    from heedmap.model.contract import Simultaneous
    from heedmap.model.errors import HeedmapError, InputError
    from heedmap.model.load import load
    from heedmap.model.simultaneous import LiveRequest, check_policy

    served = load(source_of(model), device)
    if not isinstance(served, Simultaneous):
        raise InputError(f"{model} does not translate simultaneously: name one of our own translation models")
    chosen = check_policy(dict(policy))

    def interpret(inputs: str, committed: Sequence[int], *, final: bool) -> Interpreted:
        [answer] = served.simultaneous([LiveRequest(inputs, tuple(committed), final, chosen)])
        if isinstance(answer, HeedmapError):
            raise answer
        return Interpreted.from_json(answer.to_json())

    yield interpret


@contextmanager
def there(url: str, api_key: str | None, model: str | None, policy: Mapping[str, Any]) -> Iterator[Interpreter]:
    """An interpreter that asks a service.

    Raises (when it is asked):
        ClientError: the service did not answer, or answered with a problem.
    """
    with Client(url, api_key=api_key) as client:
        yield partial(client.simultaneous, model=model, policy=policy)
