"""What a request's edits do to the passes of a transformers model."""

from collections.abc import Callable, Sequence
from typing import Any

from heedmap.model.attention.editor import Editor, Means
from heedmap.model.contract import Request
from heedmap.model.edits import Replace
from heedmap.model.errors import ParameterError
from heedmap.model.hub.attention.recorder import Wiring, record
from heedmap.model.hub.tasks.base import Task
from heedmap.model.trace.recorder import Recorder
from heedmap.model.watch import Stop


def editor_of(
    request: Request, wiring: Wiring, sites: list[dict[str, Any]], means: Callable[[Sequence[str], str], Means]
) -> Editor | None:
    """The editor of a request; None where its passes are as they are without it.

    Args:
        sites: of the model, as it describes them.
        means: the mean outputs over a corpus.

    Raises:
        InputError: the edits are none of this model.
    """
    places = [at for at, edit in enumerate(request.edits) if not isinstance(edit, Replace)]
    if not places:
        return None
    if not wiring.follows:
        raise ParameterError(
            f"models of the family {wiring.model.config.model_type} compute attention by themselves, where nothing can "
            "be edited: replace tokens instead",
            field=f"edits.{places[0]}",
        )
    layers = {site["name"]: (site["layers"], site["heads"]) for site in sites}
    return Editor(request.edits, layers, request.donors, means)


def recorded(wiring: Wiring, runner: Task, text: str, cancelled: Stop) -> Recorder:
    """A recorded pass over a text, and what the model writes to it.

    Raises:
        InputError: the model cannot use the text.
    """
    _, inputs = runner.trace([runner.prepare(Request(text))], cancelled)
    with record(wiring) as recorder:
        runner.forward(inputs)
    return recorder
