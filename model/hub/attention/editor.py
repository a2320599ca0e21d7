"""From a transformers model's modules to the edits of their layers, while a pass runs."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from heedmap.model.attention.editor import Editor
from heedmap.model.attention.edits import LayerEdits
from heedmap.model.errors import ParameterError
from heedmap.model.hub.attention.interface import editing
from heedmap.model.hub.attention.recorder import Wiring


class ModuleEditor:
    """The edits of the modules of one model, each at its site and layer.

    A pass asks every attention of a site once, in the order of the layers, which is the recorder's too.

    Args:
        layers: of each site.
    """

    def __init__(self, wiring: Wiring, editor: Editor, layers: Mapping[str, int]) -> None:
        self.wiring, self.editor, self.layers = wiring, editor, dict(layers)
        self._asked = Counter[str]()

    def of_module(self, module: nn.Module) -> LayerEdits | None:
        """What is done to the attention that a module is about to compute; None where nothing is.

        Raises:
            ParameterError: its cells are those of windows, and cannot be told by query and key.
        """
        site = self.wiring.sites.of(self.wiring.names[module])
        index = self._asked[site] % self.layers.get(site, 1)
        self._asked[site] += 1
        edits = self.editor.layer(site, index)
        if edits is not None and edits.by_cells and module in self.wiring.windowed:
            raise ParameterError(
                f"{edits.where} attends inside windows: its heads can be silenced and tempered, and neither be cut nor "
                "patched",
                field="edits",
            )
        return edits


@contextlib.contextmanager
def edited(wiring: Wiring, editor: Editor | None, sites: list[dict[str, Any]]) -> Iterator[None]:
    """Edit the passes of the model that run inside; nothing where there is no editor."""
    if editor is None:
        yield
        return
    with editing(ModuleEditor(wiring, editor, {site["name"]: site["layers"] for site in sites})):
        yield
