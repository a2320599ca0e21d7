"""Attention flow: the most that can run from an output position to each input position, weights being capacities."""

from collections.abc import Iterator

import networkx
import torch
from jaxtyping import Float
from networkx.algorithms.flow import preflow_push
from networkx.algorithms.flow.utils import build_residual_network
from torch import Tensor

from heedmap.model.errors import InputTooLong
from heedmap.model.measures.base import Rows, TraceMeasure, follows
from heedmap.model.trace.trace import Trace

# Positions times positions times layers: 20 tokens of six layers, 35 of two. A maximum flow is searched for each input
# position of each row: at this size a second or two a row, and eight times that at twice the tokens.
MOST_EDGES = 2_500


class Flow(TraceMeasure):
    """The maximum flow through the graph of all layers, whose edges have the capacities of rollout's factors."""

    name = "flow"
    description = "The most that can flow from an output position to an input position, weights being capacities."
    formula = "max-flow from (L, i) to (0, j), capacities (mean_h A^l + I) / 2"
    source = "Abnar and Zuidema 2020, Quantifying attention flow in Transformers"
    range = "0 to 1"
    cost = f"A maximum flow a cell: only where layers x queries x keys is at most {MOST_EDGES:,}."
    where = "where a site's keys are its own queries: not of cross"
    example = "Which words could the output have used, were every path to be used as well as it can?"

    def defined(self, trace: Trace, site: str) -> str | None:
        """Where layers follow on each other."""
        return follows(trace, site)

    def rows(self, trace: Trace, site: str, rows: Rows) -> Iterator[Float[Tensor, "R K"] | None]:
        """A cell at a time.

        Raises:
            InputTooLong: the graph is too large.
        """
        layers = trace.layers[site]
        length = layers[0].shape[0]
        if len(layers) * length**2 > MOST_EDGES:
            most = int((MOST_EDGES / len(layers)) ** 0.5)
            raise InputTooLong(
                f"flow takes a maximum flow a cell, which for {len(layers)} layers is done up to {most} positions, and "
                f"{site} has {length}: rollout has no such limit",
                field="measure",
            )
        graph = networkx.DiGraph()
        for number, layer in enumerate(layers, start=1):
            shares = (layer.dense().mean(dim=0).double().cpu() + torch.eye(length, dtype=torch.float64)) / 2
            yield None
            for query, row in enumerate(shares.tolist()):
                graph.add_edges_from(
                    ((number, query), (number - 1, key), {"capacity": share}) for key, share in enumerate(row) if share
                )
        result = torch.zeros(len(rows), length)
        for index, query in enumerate(rows):
            start: tuple[int, int] = (len(layers), query)
            reached = graph.subgraph(networkx.descendants(graph, start) | {start})
            residual = build_residual_network(reached, "capacity")  # once a row: half of the time that a flow takes
            for key in range(length):
                if (0, key) in reached:
                    flow = preflow_push(reached, start, (0, key), residual=residual, value_only=True)
                    result[index, key] = float(flow.graph["flow_value"])
                yield None
        yield result
