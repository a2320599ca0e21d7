"""Sources as a job: what of a long context an answer used."""

from typing import Any, ClassVar, Literal

from heedmap.app.requests.sources import SourcesFields
from heedmap.app.service import sources
from heedmap.app.service.jobs.kind import JobRequest, Kind, Steps, Work


class SourcesJob(SourcesFields, JobRequest):
    """What POST /v1/sources takes, as a job."""

    kind: Literal["sources"] = "sources"


class Sources(Kind[SourcesJob]):
    """Scores of passages or sentences, and the best of them checked by removal."""

    name: ClassVar[str] = "sources"
    description: ClassVar[str] = (
        "Which passages or sentences of a context an answer used: scores by gradients, by a sparse linear fit to "
        "random removals and by weighted attention; the best of each checked by removal, with the answer's "
        "log-probability (nats) before and after. POST /v1/sources answers short ones at once."
    )
    cost: ClassVar[str] = "a trace, which is not kept, and a pass for each ablation and check, five quarters of them"
    request = SourcesJob

    def check(self, body: SourcesJob, facts: Any) -> None:
        """Whether the model can, and the request makes sense for it."""
        sources.check(body, facts)

    def steps(self, body: SourcesJob, work: Work) -> Steps:
        """A pass a step."""
        return (yield from sources.steps(body, work))
