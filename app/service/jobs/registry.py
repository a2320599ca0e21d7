"""The registry of kinds of jobs: a new one is one file and one line here."""

from typing import Any

from heedmap.app.service.jobs.corpus import Corpus
from heedmap.app.service.jobs.faithfulness import Faithfulness
from heedmap.app.service.jobs.kind import Kind
from heedmap.app.service.jobs.robustness.job import Robustness
from heedmap.app.service.jobs.sources import Sources
from heedmap.app.service.jobs.sweep import Sweep
from heedmap.model.errors import ParameterError

KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in (Corpus(), Robustness(), Faithfulness(), Sources(), Sweep())}


def kind_of(name: str) -> Kind[Any]:
    """The kind of this name.

    Raises:
        ParameterError: there is none.
    """
    if name not in KINDS:
        raise ParameterError(f"there is no kind of job {name[:60]!r}; there is {', '.join(KINDS)}", field="kind")
    return KINDS[name]
