"""What a trace will take, known before it is made: bytes for each query and each key of each site."""

from collections.abc import Mapping, Sequence

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.contract import Axis
from heedmap.model.errors import TraceTooLarge

Cost = Mapping[str, tuple[int, int]]  # site -> bytes for a query and for a key, of all its layers


def cost_of(layers: Mapping[str, Sequence[AttentionMap]]) -> dict[str, tuple[int, int]]:
    """The cost that the maps of one trace show."""
    return {
        site: (
            sum(
                m.heads * (m.q.shape[-1] * m.q.element_size() + 4)
                + sum(4 for part in (m.deviation, m.mixing) if part is not None)
                for m in maps
            ),
            sum(
                m.kv_heads * (m.k.shape[-1] * m.k.element_size() + m.v.shape[-1] * m.v.element_size())
                + sum(m.heads * 4 for norm in (m.output_norm, m.normalised_norm) if norm is not None)
                for m in maps
            ),
        )
        for site, maps in layers.items()
    }


def check(
    cost: Cost, sites: Mapping[str, tuple[str, str]], axes: Mapping[str, Axis], limit: int, gradients: bool = False
) -> None:
    """Refuse a trace that is too large to keep, before any work.

    Args:
        cost: of the model's sites.
        sites: the names of each site's query and key axes.
        axes: those that are known so far; an output that is yet to be generated only adds to them.
        limit: in bytes; 0 is none.
        gradients: whether a trace has them too: for each query as much as the query itself.

    Raises:
        TraceTooLarge: with the number of positions that would fit.
    """
    if not limit:
        return
    needs = [(cost[site], len(axes[q]), len(axes[k])) for site, (q, k) in sites.items() if q in axes and k in axes]
    if gradients:
        needs = [((2 * query, key), queries, keys) for (query, key), queries, keys in needs]
    needed = sum(query * queries + key * keys for (query, key), queries, keys in needs)
    if needed > limit:
        longest = max(max(queries, keys) for _, queries, keys in needs)
        raise TraceTooLarge(
            f"the trace would take {needed:,} bytes for {longest:,} positions, and {limit:,} are kept: about "
            f"{longest * limit // needed:,} positions would fit",
            field="inputs",
        )
