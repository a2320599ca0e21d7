"""What a kind of job is: a request model, and a generator that yields its progress and returns JSON."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, Field

from heedmap.app.requests.schemas import Strict
from heedmap.app.service.finite import Checking
from heedmap.model.contract import Prediction, Request, Served
from heedmap.model.errors import HeedmapError
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never


class JobRequest(Strict):
    """What every kind's request has: its `kind`, a Literal of its name, stands first in each."""

    kind: str
    model: str | None = Field(None, description="Optional when one model is served.")


class AnyJob(BaseModel, extra="allow"):
    """A request before its kind is known."""

    kind: str = Field(max_length=100)


Body = TypeVar("Body", bound=JobRequest)


@dataclass(frozen=True)
class Progress:
    """How far a job is: so many of so many, and of what."""

    done: int
    of: int
    what: str


Steps: TypeAlias = Generator[Progress, None, dict[str, Any]]


@dataclass(eq=False)
class Work:
    """What a job works with, on the worker's thread.

    name, model, facts: the model that its request names, and what that says of itself. answered: told what the model
    made of requests.
    """

    name: str
    model: Served[Trace]
    facts: Mapping[str, Any]
    answered: Callable[[str, Sequence[Request], Sequence[object]], None] = lambda name, requests, outcomes: None
    step: Stop = field(default=never)  # of the step at hand; set by whoever runs it

    def stop(self) -> bool:
        """Whether the job is over: to be handed to all that asks between two steps, and asked in long loops."""
        return self.step()

    def predict(self, requests: Sequence[Request]) -> list[Prediction | HeedmapError]:
        """A prediction or an error for each request of one batch, in order.

        Raises:
            Cancelled: the job is over.
        """
        outcomes: list[Prediction | HeedmapError] = Checking(self.model.predict)(requests, self.stop)
        self.answered(self.name, requests, outcomes)
        return outcomes

    def record(self, requests: Sequence[Request]) -> list[Trace | HeedmapError]:
        """A trace or an error for each request of one batch, in order; nobody keeps the traces.

        Raises:
            Cancelled: the job is over.
        """
        outcomes: list[Trace | HeedmapError] = Checking(self.model.trace)(requests, self.stop)
        self.answered(self.name, requests, outcomes)
        return outcomes


class Kind(ABC, Generic[Body]):
    """One kind of job; it says of itself what it does and what it costs.

    Between two progresses of `steps` others have their turn on the worker and on the model: a step should be one pass
    over a batch, about a second, so that predictions of the same model need not wait long.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    cost: ClassVar[str]
    request: type[Body]  # the class of its requests

    def check(self, body: Body, facts: Mapping[str, Any]) -> None:
        """Find what is wrong with a request before the job is accepted.

        facts: what its model says of itself.

        Raises:
            InputError: its field says what.
        """

    @abstractmethod
    def steps(self, body: Body, work: Work) -> Steps:
        """Do the work: yields how far it is after every step, and returns the result, which JSON can hold.

        Raises:
            HeedmapError: the job fails by it. Cancelled: `work.stop` became true.
        """

    def describe(self) -> dict[str, Any]:
        """Name, description, cost, and the JSON schema of its request."""
        schema = self.request.model_json_schema()
        return {"name": self.name, "description": self.description, "cost": self.cost, "request": schema}
