"""The sources of an answer from Python: which parts of a context it used, by a service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heedmap.app.client.calls import ClientCall, Flow, Operation
from heedmap.app.client.jobs import JobStatus, waited


@dataclass(frozen=True)
class SourceSpan:
    """A passage or a sentence of the context.

    scores: by method; over 0 it speaks for the answer. before, after: the answer's log-probability with and without it,
    in nats, where it was really taken away.
    """

    passage: int
    characters: tuple[int, int]
    text: str
    tokens: tuple[int, int]
    scores: dict[str, float]
    before: float | None
    after: float | None

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "SourceSpan":
        """A row of `spans`."""
        checked = row["checked"] or {}
        return cls(
            row["passage"],
            (row["characters"][0], row["characters"][1]),
            row["text"],
            (row["tokens"][0], row["tokens"][1]),
            dict(row["scores"]),
            checked.get("before"),
            checked.get("after"),
        )


@dataclass(frozen=True)
class Sources:
    """Which parts of a context an answer used.

    log_probability: of the answer, in nats. methods: of each its `top` spans, its `agreement` with ablations, its `fit`
    and its `head_weights`, where there are such. body: all that the service said.
    """

    answer: str
    generated: bool
    log_probability: float
    methods: dict[str, dict[str, Any]]
    spans: list[SourceSpan]
    body: Mapping[str, Any]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Sources":
        """The answer of POST /v1/sources, or the result of a job of that kind."""
        return cls(
            body["answer"],
            body["generated"],
            body["log_probability"],
            dict(body["methods"]),
            [SourceSpan.from_json(row) for row in body["spans"]],
            body,
        )

    def top(self, method: str) -> list[SourceSpan]:
        """A method's best spans, the best first."""
        return [self.spans[place] for place in self.methods[method]["top"]]


class SourceOperations:
    """What both clients can do with a context, a question and an answer."""

    @Operation
    def sources(
        self,
        /,
        context: str | Sequence[str],
        question: str,
        answer: str | None = None,
        *,
        model: str | None = None,
        job: bool = False,
        progress: Callable[[JobStatus], object] | None = None,
        **options: Any,
    ) -> Flow[Sources]:
        """Find which passages or sentences of a context an answer used, the model's own unless it is given.

        `options` as POST /v1/sources takes them: by="sentences", method=["gradient"], check=3, ablations=64,
        removal="text", template="{context}\\n\\n{question}\\n", ... `job`: wait for it as a job, which may take longer
        than a request; meanwhile `progress` is told how far it is.
        """
        fields = {"model": model, "answer": answer, **options}
        body: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
        body |= {"context": context if isinstance(context, str) else list(context), "question": question}
        if not job:
            response = yield ClientCall("POST", "/v1/sources", body=body)
            return Sources.from_json(response.json())
        response = yield ClientCall("POST", "/v1/jobs", body={"kind": "sources", **body})
        done = yield from waited(JobStatus.from_json(response.json()), progress)
        return Sources.from_json(done.result)
