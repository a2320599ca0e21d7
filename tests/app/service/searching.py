"""Searches for sources, each on a tiny model, without a service."""

from pathlib import Path
from typing import Any

from heedmap.app.requests.sources import SourcesRequest
from heedmap.app.service import sources
from heedmap.app.service.jobs.kind import Progress, Work
from tests.model.hub.serving import served
from tests.model.sources.decisive import QUESTION, SECRET

PASSAGES = ["The train is late.", "The girl is here.", f"The book is {SECRET} here.", "I have no time."]


def work_with(folder: Path, task: str) -> Work:
    model = served(folder, task)
    return Work("tiny", model, model.describe())


def result(work: Work, **fields: Any) -> tuple[dict[str, Any], list[Progress]]:
    """What a request leads to, and the progress on the way."""
    body = SourcesRequest(**{"context": PASSAGES, "question": QUESTION, **fields})
    sources.check(body, work.facts)
    steps, told = sources.steps(body, work), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told
