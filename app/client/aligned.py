"""Word alignments from Python: links of pairs of sentences, by a service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from heedmap.app.client.calls import ClientCall, Flow, Operation
from heedmap.app.client.errors import APIError, api_error


@dataclass(frozen=True)
class AlignedPair:
    """The word alignment of a pair: words by their places from 0, source first, with the weight that each link has."""

    pharaoh: str
    source: list[str]
    target: list[str]
    scores: list[float]
    layer: int | str
    head: int | str
    reading: str

    @property
    def links(self) -> list[tuple[int, int]]:
        """The links as numbers."""
        pairs = (link.split("-") for link in self.pharaoh.split())
        return [(int(source), int(target)) for source, target in pairs]


class AlignOperations:
    """What both clients can do with pairs of sentences."""

    @Operation
    def align(
        self, /, pairs: Sequence[tuple[str, str]], *, model: str | None = None, **options: Any
    ) -> Flow[list[AlignedPair | APIError]]:
        """Align the words of pairs of source and target; each has its own links or its own problem, in the same order.

        `options` as POST /v1/align takes them: symmetrise="grow-diag-final", reverse="en-de", reading="input",
        layer=1, head=0, parameters={...}.
        """
        body = {"model": model, "pairs": [list(pair) for pair in pairs], **options}
        body = {name: value for name, value in body.items() if value is not None}
        response = yield ClientCall("POST", "/v1/align", body=body)
        rows: list[AlignedPair | APIError] = []
        for row in response.json()["alignments"]:
            error = row.get("error")
            rows.append(AlignedPair(**row) if error is None else api_error(error["status"], error))
        return rows
