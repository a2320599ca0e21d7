"""Imports run one way, without circles, lazy ones included, and every module can be imported alone."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

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
SHARED |= {"model.prefix", "model.likeliest", "model.choices"}
SHARED |= {"model.sampling", "model.whole_file", "model.words", "app.root_path", "app.ticket"}
ROOMS = {
    "model.attention": set[str](),
    "model.page": set[str](),
    "model.trace": {"model.attention", "model.page"},
    "model.measures": {"model.attention", "model.trace"},
    "model.robustness": {"model.trace"},
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
    "app.options": set[str](),
    "app.align": {"app.client", "app.options", "app.settings", "model"},
    "app.sweep": {"app.client", "app.options", "app.render", "app.requests", "app.service", "model"},
    "app.sources": {"app.client", "app.options", "app.requests", "app.service", "model"},
    "app.compare": {"app.client", "app.options", "app.render", "app.requests", "app.service", "app.settings", "model"},
    "app.robustness": {
        *("app.client", "app.options", "app.render", "app.requests", "app.service", "app.settings"),
        "model",
    },
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


ALONE = """
import importlib, os, sys
import heedmap, torch, transformers, fastapi, plotly, httpx, typer, rich, starlette.testclient  # shared by all below
bad = []
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(f"heedmap.{name}")
        except BaseException as error:
            print(f"{name}: {error!r}", flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        bad.append(name)
sys.exit(len(bad))
"""


def test_every_module_can_be_imported_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE, *MODULES], capture_output=True, text=True, cwd=ROOT, timeout=900
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr[-2000:]


def test_a_module_that_cannot_be_imported_alone_is_found() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE, "model.nowhere"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "model.nowhere: ModuleNotFoundError" in done.stdout


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
