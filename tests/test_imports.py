"""Imports run one way, without circles, lazy ones included, and every module can be imported alone."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.alone import alone, at_top, first, foreign, reached, unreached

ROOT = Path(__file__).resolve().parent.parent
Graph = dict[str, set[str]]

# In the order in which data flows: what a room may import besides itself and what all share.
SHARED = {"model", "model.errors", "model.shapes", "model.watch", "model.prediction", "model.contract"}
SHARED |= {
    "model.beginnings",
    "model.byte_alphabet",
    "model.padding",
    "model.generated",
    "model.isolation",
    "model.files",
    "model.sampling",
    "model.batches",
    "model.generator",
    "model.detokenizer",
    "model.stops",
    "model.observer",
}
SHARED |= {"model.typed", "model.objective", "model.edits", "model.one_token", "model.taught_head"}
SHARED |= {
    "model.prefix",
    "model.simultaneous",
    "model.likeliest",
    "model.choices",
    "model.frames",
    "model.kinds",
    "model.media",
    "model.messages",
}
SHARED |= {"model.sampling", "model.whole_file", "model.words", "app.root_path", "app.ticket"}
ROOMS = {
    "model.attention": set[str](),
    "model.page": set[str](),
    "model.trace": {"model.attention", "model.page"},
    "model.notebook": {"model.page"},
    "model.measures": {"model.attention", "model.trace"},
    "model.robustness": {"model.trace"},
    "model.corpus": {"model.attention", "model.trace", "model.measures"},
    "model.sources": {"model.attention", "model.measures", "model.trace"},
    "model.faithfulness": {"model.attention", "model.trace", "model.measures", "model.robustness"},
    "model.card": set[str](),
    "model.native": {"model.attention", "model.trace", "model.robustness", "model.card"},
    "model.hub": {"model.attention", "model.trace", "model.robustness", "model.card"},
    "model.load": {"model.native", "model.hub", "model.robustness", "model.trace", "model.card"},
    "model.training": {"model.load", "model.native", "model.card", "model.attention", "model.trace", "model.measures"},
    "app.errors": set[str](),
    "app.dialects": set[str](),
    "app.problems": {"app.errors", "app.dialects"},
    "app.settings": set[str](),
    "app.requests": {"app.errors", "app.problems", "app.settings"},
    "app.render": {"app.errors", "app.problems", "app.settings", "model.page"},
    "app.service": {"app.errors", "app.problems", "app.settings", "app.requests", "app.render", "model"},
    "app.http": {
        *("app.errors", "app.dialects", "app.problems", "app.settings", "app.requests", "app.render", "app.service"),
        "model",
    },
    "app.client": {"app.settings", "app.render", "model"},
    "app.options": {"app.http"},
    "app.align": {"app.client", "app.options", "app.settings", "model"},
    "app.captions": {"model"},
    "app.speech": {"model"},
    "app.train": {"app.align", "app.captions", "app.options", "app.speech", "model"},
    "app.simultaneous": {"app.client", "app.options", "model"},
    "app.sweep": {"app.client", "app.options", "app.render", "app.requests", "app.service", "model"},
    "app.sources": {"app.client", "app.options", "app.requests", "app.service", "model"},
    "app.compare": {"app.client", "app.options", "app.render", "app.requests", "app.service", "app.settings", "model"},
    "app.robustness": {
        *("app.client", "app.options", "app.render", "app.requests", "app.service", "app.settings"),
        "model",
    },
    "app.corpus": {"app.client", "app.options", "app.render", "app.requests", "app.service", "model"},
    "app.site": {"app.render", "model"},
    "app.cluster": {"app.http", "app.service", "app.settings", "model"},
    "app.deployment": {"app.cluster", "app.http", "app.settings", "model"},
    "app.deploy": {"app.cluster", "app.deployment", "app.options", "app.http", "model"},
    "app.cli": {"app", "model"},
}


def graph(files: Mapping[str, str]) -> Graph:
    """Who imports whom among these modules (name -> source), wherever in the module the import stands."""
    edges: Graph = {}
    for name, source in files.items():
        imported: set[str] = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                imported |= {each if each in files else node.module for each in inner}
        edges[name] = imported & files.keys() - {name}
    return edges


def circles(edges: Graph) -> list[list[str]]:
    """Groups of modules that reach each other."""
    reach: Graph = {}
    for start in edges:
        visited: set[str] = set()
        waiting = list(edges[start])
        while waiting:
            name = waiting.pop()
            if name not in visited:
                visited.add(name)
                waiting += edges[name]
        reach[start] = visited
    groups = {tuple(sorted(n for n in reach[name] if name in reach[n])) for name in edges if name in reach[name]}
    return [list(group) for group in sorted(groups)]


def room_of(module: str, rooms: Iterable[str]) -> str | None:
    """The room that a module is in: the longest name that it begins with."""
    homes = [room for room in rooms if module == room or module.startswith(f"{room}.")]
    return max(homes, key=len, default=None)


def trespasses(edges: Graph) -> list[str]:
    """Imports of a room that may not be imported from where they stand."""
    wrong = []
    for module, imported in edges.items():
        home = room_of(module, ROOMS)
        for name in sorted(imported - SHARED):
            there = room_of(name, ROOMS)
            allowed = home is not None and there is not None and room_of(there, {home, *ROOMS[home]}) is not None
            if (module not in SHARED and not allowed) or module in SHARED:
                wrong.append(f"{module} imports {name}")
    return wrong


def modules() -> dict[str, str]:
    """Our own modules without the package's name, and their sources."""
    by_name = {}
    for folder in ("model", "app"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            by_name[name] = path.read_text(encoding="utf-8").replace("heedmap.", "")
    return by_name


MODULES = modules()


def test_there_are_no_circles() -> None:
    edges = graph(MODULES)
    assert circles(edges) == []
    assert sum(map(len, edges.values())) > 300, "the check looked at nothing"


def test_imports_run_one_way() -> None:
    assert trespasses(graph(MODULES)) == []
    assert {name for name in MODULES if room_of(name, ROOMS) is None} - SHARED == {"app"}, "a module without a room"


def test_a_lazy_circle_and_a_wrong_import_are_found() -> None:
    lazy = {
        "model.trace.a": "def late():\n    from model.hub.b import x\n",
        "model.hub.b": "if TYPE_CHECKING:\n    from model.trace import a\n",
    }
    assert circles(graph(lazy)) == [["model.hub.b", "model.trace.a"]]
    assert trespasses(graph(lazy)) == ["model.trace.a imports model.hub.b"]
    assert circles(graph({"a.b": "from a import c", "a.c": "import os"})) == []
    assert trespasses(graph({"model.contract": "import model.trace.t", "model.trace.t": ""})) != []


def test_every_module_can_be_imported_alone() -> None:
    failed, said, more = alone(MODULES, statements=foreign(MODULES), after=first(graph(at_top(MODULES))))
    assert (failed, said) == (0, ""), said + more


def test_modules_that_cannot_be_imported_alone_are_found(tmp_path: Path) -> None:
    """One that is not there; two that need each other; one that uses what only another one's import brings."""
    package = tmp_path / "heedmap"
    package.mkdir()
    sources = {
        "__init__": "",
        "first": "from heedmap.second import b\na = 1\n",
        "second": "from heedmap.first import a\nb = 1\n",
        "inner": "",
        "brings": "import heedmap.inner\n",
        "uses": "import heedmap\nit = heedmap.inner\n",
        "both": "import heedmap.brings\nimport heedmap.uses\n",
        "sound": "import decimal\n",
    }
    for name, source in sources.items():
        (package / f"{name}.py").write_text(source, encoding="utf-8")
    names = ["sound", "brings", "both", "uses", "first", "second", "nowhere"]
    statements = ["import decimal", "import nothing_of_this_name"]
    for after in ({}, {"uses": "sound", "both": "brings"}, {"both": "both", "uses": "inner"}):
        failed, said, _ = alone(names, tmp_path, statements, after)
        assert failed == 1
        assert {line.partition(":")[0] for line in said.splitlines()} == {"uses", "first", "second", "nowhere"}
        assert "uses: AttributeError" in said
        assert said.count("circular import") == 2
        assert "nowhere: ModuleNotFoundError" in said
    lazily = {
        "a": "def later():\n    from heedmap import b\n",
        "b": "",
        "c": "import b\nimport a\n",
        "d": "import c\nimport a\n",
    }
    assert first(graph(at_top(lazily))) == {"c": "a", "d": "c"}
    circle = alone(["first", "second"], tmp_path, (), {"first": "second", "second": "first"})
    assert "circular import" in circle[1]
    assert "circular import" in alone(["second", "brings", "inner"], tmp_path, (), {"inner": "brings"})[1]
    assert alone(["sound"], tmp_path, ["import heedmap.brings"])[0] != 0, "what is imported before is not alone"


def test_what_is_reached_by_dots_is_there() -> None:
    """Beside other modules' imports, which are all there when one is imported alone, it always is."""
    names = set[str]().union(*map(reached, MODULES.values()))
    assert {"torch.nn.functional", "numpy.random"} <= names, "the check looked at nothing"
    assert unreached(names) == ""
    source = "import xml, numpy as np, torch.fft\nnp.testing.assert_allclose\nnp.f2py.main\ntorch.fft.fft\n"
    assert reached(source) == {"numpy.testing", "numpy.f2py"}
    assert unreached(["numpy.random", "rich.table"]) == "rich.table\n"


def test_statements_that_import_from_elsewhere_are_told_from_ours() -> None:
    source = "import os, torch\nfrom app.http import main\nimport model.errors\nfrom rich.table import Table\n"
    source += "def late():\n    import ray\n"
    assert foreign({"a": source, "b": "import os, torch\n"}) == ["import os, torch", "from rich.table import Table"]


@pytest.mark.parametrize("start", ["model.load", "app.http.main"])
def test_serving_imports_no_training(start: str) -> None:
    edges = graph(MODULES)
    reached, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += edges[name]
    assert not [name for name in reached if name.startswith("model.training")]
    assert len(reached) > 50
