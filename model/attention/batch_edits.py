"""Many edits of one pass at once: each is a row of one batch, or a block of rows where a pass has several.

A silenced head is a factor of its row's output, and a head that sees all its keys alike, or is tempered, one of its
row's queries: the kernel runs once for all of them. What else is edited is computed once more for its rows alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias, cast

import torch
from torch import Tensor

from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.edited_rows import EVERY
from heedmap.model.attention.editor import Editor, Means
from heedmap.model.attention.edits import Attention, LayerEdits, with_sinks
from heedmap.model.attention.masks import Mask
from heedmap.model.attention.scores import ScaledDot, Score
from heedmap.model.edits import END, AnyEdit
from heedmap.model.errors import HeedmapError, InputError, TraceError

WHOLE = ((0, END), (0, END))
Lengths: TypeAlias = Mapping[str, tuple[int, int]]
Place: TypeAlias = str | None
"""Where a request names the edit of a row; None of one that it does not name."""


class BatchEdits(LayerEdits):
    """What is done to the attention of one layer, another thing for each row of a batch; nobody records it.

    Args:
        rows: of each block of rows what is done to it, None where nothing is.
        places: of each, for errors.
    """

    def __init__(self, where: str, rows: Sequence[LayerEdits | None], places: Sequence[Place]) -> None:
        super().__init__(where)
        self.rows, self.places = list(rows), list(places)

    @property
    def by_cells(self) -> bool:
        """Whether it matters which query and which key is which."""
        return any(row is not None and row.by_cells for row in self.rows)

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Mask | None,
        bias: Tensor | None,
        score: Score,
        start: int = 0,
        sinks: Tensor | None = None,
    ) -> Attention:
        """Edited attention, as that of each row alone is.

        Raises:
            ParameterError: a cut leaves a row nothing to see. TraceError: the batch is another than that of the edits.
        """
        block, rest = divmod(q.shape[0], len(self.rows))
        if rest or not block:
            raise TraceError(f"{self.where} attended over {q.shape[0]} rows, where {len(self.rows)} edits have theirs")
        if len(self.rows) == 1 and self.rows[0] is not None:
            with self._blaming(0):
                return self.rows[0].attend(q, k, v, mask, bias, score, start, sinks)
        shape = q.shape[2], k.shape[2]
        plain = isinstance(score, ScaledDot) and bias is None and sinks is None
        factors, kept = (torch.ones(len(self.rows), q.shape[1]) for _ in range(2))
        alone: list[tuple[int, LayerEdits]] = []
        for at, row in enumerate(self.rows):
            if row is None:
                continue
            silent = _silent(row, q.shape[1])
            if silent is None or (row.factors and not plain):
                alone.append((at, row))
                continue
            kept[at, silent] = 0
            for head, factor in row.factors.items():
                factors[at, head] = factor
        scaled = q
        if not bool((factors == 1).all()):
            scaled = q * factors.repeat_interleave(block, dim=0).to(q)[:, :, None, None]
        output, lse, kernel = with_sinks(scaled, k, v, mask, bias, score, sinks)
        if not bool(kept.all()):  # filled, for 0 times what is no number is none
            gone = (kept == 0).repeat_interleave(block, dim=0).to(q.device)
            output = output.masked_fill(gone[:, :, None, None], 0)
        elif alone:
            output = output.clone()
        masks = [None if mask is None or not alone else mask.of(at, *shape).to(q.device) for at in range(block)]
        for at, row in alone:
            for place in range(at * block, (at + 1) * block):  # blocks are copies of one pass: they share its masks
                one, mine = slice(place, place + 1), masks[place % block]
                added = bias if bias is None or bias.shape[0] == 1 else bias[one]
                with self._blaming(at):
                    output[one] = row.attend(q[one], k[one], v[one], mine, added, score, start, sinks).mixed
        return Attention(q, score, output, lse, kernel, output, _unrecorded)

    @contextmanager
    def _blaming(self, row: int) -> Iterator[None]:
        """Errors name the place of a row's edit in the request."""
        try:
            yield
        except HeedmapError as error:
            error.field = self.places[row] or error.field
            raise


class BatchEditor(Editor):
    """The edits of the rows of a batch, layer by layer.

    Args:
        editors: of each block of rows.
        places: of each, where the request names its edit.
    """

    def __init__(self, editors: Sequence[Editor], places: Sequence[Place]) -> None:
        super().__init__((), editors[0].sites)
        self.editors, self.places = list(editors), list(places)

    def layer(self, site: str, index: int) -> LayerEdits | None:
        """What is done to a layer of a site, from 0; None where nothing is."""
        return self.of_rows(site, index, range(len(self.editors)))

    def of_rows(self, site: str, index: int, rows: Sequence[int]) -> LayerEdits | None:
        """What is done to a layer of a site where the batch is of these rows, by their numbers."""
        edits = [self.editors[row].layer(site, index) for row in rows]
        known = next((edit for edit in edits if edit is not None), None)
        if known is None:
            return None
        return BatchEdits(known.where, edits, [self.places[row] for row in rows])

    def __iter__(self) -> Iterator[tuple[tuple[str, int], LayerEdits]]:
        keys = dict.fromkeys(key for editor in self.editors for key, _ in editor)
        return ((key, edits) for key in keys if (edits := self.layer(*key)) is not None)


def batch_of(
    base: Sequence[AnyEdit],
    sets: Sequence[Sequence[AnyEdit]],
    make: Callable[[tuple[AnyEdit, ...]], Editor],
    lengths: Lengths,
    first: int = 0,
) -> tuple[BatchEditor, list[list[tuple[str, int]]]]:
    """The editor of a batch whose row 0 has the edits that a pass has anyway, and the others a set more each.

    Args:
        make: the editor of edits.
        lengths: queries and keys of each site.
        first: the number of the first set among those of the request.

    Returns:
        The editor, and of each row the sites and layers that it alone has edits of.

    Raises:
        InputError: a set is none of this pass; `field` says which.
    """
    editors, places, touched = [make(tuple(base))], [cast(Place, None)], [list[tuple[str, int]]()]
    for number, edits in enumerate(sets, first):
        try:
            editor = make((*base, *edits))
            editor.check(lengths)
            mine = make(tuple(edits)) if base else editor
        except InputError as error:
            error.field = place_of(error.field, len(base), number)
            raise
        editors.append(editor)
        places.append(f"edits.{number}")
        touched.append([key for key, _ in mine])
    return BatchEditor(editors, places), touched


def place_of(field: str | None, before: int, number: int) -> str:
    """The field of a request for what an editor of `before` edits, and then a set's, calls edits.N.

    Args:
        number: of the set.
    """
    parts = (field or "edits").split(".")
    if len(parts) > 1 and parts[1].isdecimal() and int(parts[1]) < before:
        return str(field)
    return ".".join(["edits", str(number), *parts[2:]])


def remembered(means: Callable[[Sequence[str], str], Means]) -> Callable[[Sequence[str], str], Means]:
    """The same means, of each corpus once, whatever number of editors asks for them."""
    known: dict[tuple[str, ...], Means] = {}

    def ask(corpus: Sequence[str], field: str) -> Means:
        key = tuple(corpus)
        if key not in known:
            known[key] = means(corpus, field)
        return known[key]

    return ask


def _silent(row: LayerEdits, heads: int) -> list[int] | None:
    """Which heads of a row have no output, where that, and factors, are all that is edited; else None."""
    if row.outputs or row.weights or row.means:
        return None
    if any(not part.drop or (part.queries, part.keys) != WHOLE for part in row.hidden):
        return None
    named = {part.head for part in row.hidden}
    return list(range(heads)) if EVERY in named else sorted(named)


def _unrecorded(base: Bias | None) -> Edited:
    """Raises:
    TraceError: always: each row has edits of its own, which no record of a batch holds.
    """
    raise TraceError("a pass whose rows are edited differently is not recorded")
