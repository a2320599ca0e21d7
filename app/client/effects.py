"""Effects of edits from Python: what a trace's objective would lose or gain, estimated and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heedmap.app.client.calls import ClientCall, Flow, Operation

if TYPE_CHECKING:
    from heedmap.app.client.results import TraceSummary


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects on a trace's objective: with an edit minus without, in its units.

    heads: `estimated` and `measured` by site, float64 (layers, heads), NaN where one is not known; `ranking` has those
    first that matter most. Edges and listed edits: `rows`, each with its edit, estimated, measured and prediction.
    correlation: pearson, spearman and pairs, where there are measurements. value: the objective before.
    """

    value: float
    objective: dict[str, Any]
    estimated: dict[str, NDArray[np.float64]]
    measured: dict[str, NDArray[np.float64]]
    ranking: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    correlation: dict[str, Any] | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Effects":
        """The answer of POST /v1/traces/{id}/effects."""
        grids: dict[str, dict[str, NDArray[np.float64]]] = {"estimated": {}, "measured": {}}
        for site in data.get("sites") or ():
            for name, by_site in grids.items():
                if site[name] is not None:
                    by_site[site["name"]] = np.array(site[name], dtype=np.float64)  # null is NaN
        return cls(
            data["value"]["trace"],
            dict(data["objective"]),
            grids["estimated"],
            grids["measured"],
            list(data.get("ranking") or ()),
            list(data.get("effects") or ()),
            data["correlation"],
        )


class EffectOperations:
    """What both clients can do with effects."""

    @Operation
    def effects(
        self,
        /,
        trace: "TraceSummary | str",
        edits: str | Sequence[Mapping[str, Any]] = "heads",
        *,
        measured: bool = False,
        **options: Any,
    ) -> Flow[Effects]:
        """What edits would do to a trace's objective: every head silenced, the cuts of a site that do most, or a list.

        `options` as POST /v1/traces/{id}/effects takes them: how="uniform", site="cross", top=10, mass="drop",
        predict=True. The trace needs an objective.
        """
        body = {"edits": edits if isinstance(edits, str) else [dict(edit) for edit in edits], "measured": measured}
        id = trace if isinstance(trace, str) else trace.id
        response = yield ClientCall("POST", f"/v1/traces/{id}/effects", body={**body, **options})
        return Effects.from_json(response.json())
