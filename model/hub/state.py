"""What a model is between two answers, to go back to: no pass, and no caller, alters a later answer.

Some models change themselves as they run. BigBird goes over to full attention for good once it meets a short text;
rotary positions of the kinds "dynamic" and "longrope" remember the longest text; others remember where a picture
stood, or decide at their first pass what their labels mean. What transformers sets up once and for all, such as hooks
and caches of its own, begins with an underscore and is left alone.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from torch import nn
from transformers import PreTrainedConfig

TABLES = ("_parameters", "_buffers", "_modules")  # of a module, by name
CODE = (FunctionType, MethodType, BuiltinFunctionType)
CONTENT = 1 << 16  # elements of a buffer that may change in place: frequencies and positions, not masks and statistics
LENGTHY = ("dynamic", "longrope")  # rotary positions that depend on the longest text of the batch
# BigBird's library code drops a part of these weights on the way out: their rows do not sum to 1.
SPARSE = (
    "a text of this length is read with block-sparse attention, whose weights this model's family does not hand out "
    "whole: it can be predicted, and a shorter one can be traced"
)


class State:
    """A model's attributes, modules, buffers and configurations, as they are now.

    Parameters are kept by reference, and so is the content of buffers over CONTENT elements: nothing known writes them.

    Args:
        model: on its device, on the attention that it will have.
    """

    def __init__(self, model: nn.Module) -> None:
        self.modules = [_Module.of(module, name) for name, module in model.named_modules()]
        self.contents = [(b, b.detach().clone()) for b in model.buffers() if b.numel() <= CONTENT]
        self.configurations = [(config, _settings(config)) for config in _configurations(model)]

    def restore(self) -> list[str]:
        """Go back; what had changed, by name. The content of buffers is not compared, it is always written."""
        changed = [name for module in self.modules for name in module.restore()]
        for buffer, content in self.contents:
            buffer.copy_(content)
        for config, before in self.configurations:
            now = vars(config)
            if now != before:
                changed += [
                    f"{type(config).__name__}.{name}"
                    for name in sorted({*now, *before})
                    if name not in now or name not in before or now[name] != before[name]
                ]
                now.clear()
                now.update(_copied(before))
        return changed


@dataclass(eq=False)
class _Module:
    """One module: its attributes and its tables, shallowly."""

    module: nn.Module
    name: str
    tables: list[tuple[dict[str, Any], dict[str, Any]]]
    attributes: dict[str, Any]

    @classmethod
    def of(cls, module: nn.Module, name: str) -> "_Module":
        tables = [(table, dict(table)) for table in (vars(module)[key] for key in TABLES)]
        return cls(module, name, tables, _public(module))

    def restore(self) -> list[str]:
        changed = set[str]()
        for table, before in self.tables:
            if not _same(table, before):
                changed |= _differences(table, before)
                table.clear()
                table.update(before)
        now = _public(self.module)
        if not _same(now, self.attributes):
            differ = _differences(now, self.attributes)
            changed |= differ
            for key in differ:  # not by setattr: what a module is made of has its own tables
                if key in self.attributes:
                    vars(self.module)[key] = self.attributes[key]
                else:
                    del vars(self.module)[key]
        return [f"{self.name}.{key}" if self.name else key for key in sorted(changed)]


def _public(module: nn.Module) -> dict[str, Any]:
    """Attributes that a pass may set: not the framework's own, and not code that somebody hung in."""
    return {key: value for key, value in vars(module).items() if key[0] != "_" and not isinstance(value, CODE)}


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    if len(now) != len(before):
        return False
    return all(key in before and before[key] is value for key, value in now.items())


def _differences(now: dict[str, Any], before: dict[str, Any]) -> set[str]:
    missing = object()
    return {key for key in now.keys() | before.keys() if now.get(key, missing) is not before.get(key, missing)}


def _configurations(model: nn.Module) -> Iterator[Any]:
    """Every configuration that the model's parts have, each once, and that of its generation."""
    visited = set[int]()
    waiting = [getattr(part, name, None) for part in model.modules() for name in ("config", "generation_config")]
    while waiting:
        config = waiting.pop()
        if not hasattr(config, "to_dict") or id(config) in visited:
            continue
        visited.add(id(config))
        waiting += [value for value in vars(config).values() if isinstance(value, PreTrainedConfig)]
        yield config


def _settings(config: Any) -> dict[str, Any]:
    return _copied(vars(config))


def _copied(settings: dict[str, Any]) -> dict[str, Any]:
    """Deeply, but for configurations inside: those have copies of their own, and others know them by identity."""
    return {k: v if isinstance(v, PreTrainedConfig) else copy.deepcopy(v) for k, v in settings.items()}


def depends_on_length(model: nn.Module) -> bool:
    """Whether what the model does with one text depends on how long the longest of its batch is.

    Such texts are answered one at a time, and are not read in chunks, which would each have a length of their own.
    """
    return any(_lengthy(part) for part in model.modules())


def _lengthy(part: nn.Module) -> bool:
    kind = getattr(part, "rope_type", None)
    kinds = kind.values() if isinstance(kind, dict) else [kind]
    if any(isinstance(name, str) and any(word in name for word in LENGTHY) for name in kinds):
        return True
    return bool(getattr(part, "attention_type", None) == "block_sparse")
