"""An open trace, with what its file says about it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from heedmap.app.render.wire import FLOOR_EXPONENT, STEPS
from heedmap.app.service.finite import require
from heedmap.model.attention.tiles import SIDE
from heedmap.model.trace.trace import Trace

# Half a step of the code of tiles and thumbnails, as a factor; below the floor a weight reads as zero.
ENCODINGS = {"u8log": {"relative_error": 2 ** (-FLOOR_EXPONENT / STEPS / 2) - 1, "floor": 2.0**FLOOR_EXPONENT}}

# How the tiles of every site are made; a site's own `levels` says how many there are.
TILESET = {"size": SIDE, "reductions": ["max", "mean"], "encoding": "u8log"}


@dataclass(eq=False)
class StoredTrace:
    """A trace with what the file's name and header say about it."""

    id: str
    model: str
    trace: Trace
    size: int
    created: float
    expires: float
    nbytes: int  # of its tensors
    heads: dict[str, Any] | None = field(default=None)  # with each site's best; filled by the first who asks

    def summary(self) -> dict[str, Any]:
        """The contract's trace summary.

        Raises:
            NotFinite: the prediction or the certificate has numbers that JSON has no word for.
        """
        summary = self.trace.to_json()
        for part in ("prediction", "certificate"):
            require(summary[part], f"numbers in the {part}")
        return {
            "id": self.id,
            "model": self.model,
            **summary,
            "encodings": ENCODINGS,
            "tiles": TILESET,
            "bytes": self.size,
            "created_at": _iso(self.created),
            "expires_at": _iso(self.expires),
        }

    @property
    def version(self) -> str:
        """Changes whenever the trace is made anew; the ETags of its maps hold it."""
        return f"{self.id}-{int(self.created * 1e6):x}"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
