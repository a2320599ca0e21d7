"""What a request's edits do to the passes of a transformers model."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from heedmap.model.attention.editor import Editor, Means
from heedmap.model.contract import Request
from heedmap.model.edits import Replace
from heedmap.model.errors import InputError, ParameterError
from heedmap.model.hub.attention.recorder import Wiring, record
from heedmap.model.hub.tasks.base import Task
from heedmap.model.trace.recorder import mean_outputs
from heedmap.model.watch import never


def editor_of(
    request: Request,
    wiring: Wiring,
    sites: list[dict[str, Any]],
    runner: Task,
    means: Callable[[Sequence[str], str], Means] | None = None,
) -> Editor | None:
    """The editor of a request; None where its passes are as they are without it.

    Args:
        sites: of the model, as it describes them.
        means: the mean outputs over a corpus, unless that is to be read anew.

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
    return Editor(request.edits, layers, request.donors, means or partial(means_of, wiring, runner))


def means_of(wiring: Wiring, runner: Task, corpus: Sequence[str], field: str) -> Means:
    """The mean output of each head over the passes of some texts."""
    recorders = []
    for place, text in enumerate(corpus):
        try:
            item = runner.prepare(Request(text))
        except InputError as error:
            raise InputError(f"a text of the corpus cannot be used: {error}", field=f"{field}.{place}") from error
        _, inputs = runner.trace([item], never)
        with record(wiring) as recorder:
            runner.forward(inputs)
        recorders.append(recorder)
    return mean_outputs(recorders)
