"""Every module imported alone, each in a process of its own, and what of others' modules it can count on then."""

import ast
import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Most of the time that an import takes is other people's: theirs are there before the first fork, and none of ours. A
# collection would touch, and so copy, all that they hold.
ALONE = """
import contextlib, gc, importlib, json, os, sys
import heedmap
names, after, statements = json.load(sys.stdin)
for statement in statements:
    with contextlib.suppress(ImportError):  # whoever needs it fails by itself
        exec(statement, {})
ours = [name for name in sys.modules if name.startswith("heedmap.")]
assert not ours, f"not alone: {ours}"
gc.disable()
gc.freeze()

def fails(name):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    try:
        if f"heedmap.{name}" in sys.modules:
            raise ImportError("circular import: what it imports imports it")
        importlib.import_module(f"heedmap.{name}")
    except BaseException as error:
        print(f"{name}: {error!r}", flush=True)
        os._exit(1)
    os._exit(any([fails(each) for each in names if after.get(each) == name]))

sys.exit(any([fails(name) for name in names if name not in after]))
"""


def foreign(files: Mapping[str, str]) -> list[str]:
    """The import statements at the top of these modules (name -> source) that name none of ours, each once."""
    statements: dict[str, None] = {}
    for source in files.values():
        for node in imports_at_top(source):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if not {name.split(".")[0] for name in names} & {"model", "app", "heedmap", ""}:
                statements[ast.unparse(node)] = None
    return list(statements)


def at_top(files: Mapping[str, str]) -> dict[str, str]:
    """What these modules import at their tops, and nothing else of them."""
    return {name: "\n".join(map(ast.unparse, imports_at_top(source))) for name, source in files.items()}


def first(tops: Mapping[str, set[str]]) -> dict[str, str]:
    """Of what each of these modules imports at its top, the one that brings most: to go on from what that left.

    Nothing is there then that the module would not import itself, so that what it lacks is missed as if it were alone.
    """
    brought: dict[str, set[str]] = {}

    def bring(name: str) -> set[str]:
        if name not in brought:
            brought[name] = {name}  # a circle, which fails elsewhere, ends here
            brought[name] = {name}.union(*map(bring, sorted(tops[name])))
        return brought[name]

    outside = {name: [each for each in sorted(all_) if not each.startswith(f"{name}.")] for name, all_ in tops.items()}
    return {name: max(some, key=lambda each: len(bring(each))) for name, some in outside.items() if some}


def imports_at_top(source: str) -> list[ast.Import | ast.ImportFrom]:
    """The import statements that run when a module is imported, whatever is asked of it."""
    return [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]


def alone(
    names: Iterable[str], root: Path = ROOT, statements: Iterable[str] = (), after: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Import each of these modules alone, from a folder: 1 where some cannot be, which and why, and what else was said.

    after: what is imported before, in the same process, and left out of what is said where that fails already.
    """
    names, after = list(names), dict(after or {})
    for name in names:  # where nobody begins, whoever is asked for first does
        chain = [name]
        while (before := after.get(chain[-1])) is not None:
            if before in chain or before not in names:
                del after[chain[-1]]
                break
            chain.append(before)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE],
        input=json.dumps([names, after, list(statements)]),
        capture_output=True,
        text=True,
        cwd=root,
        timeout=900,
    )
    return done.returncode, done.stdout, done.stderr[-2000:]


def reached(source: str) -> set[str]:
    """Others' modules that a module reaches by dots from an import of the package, without importing them itself."""
    named, imported, chains = dict[str, str](), set[str](), set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
            tops = {alias.name.split(".")[0]: alias.name.split(".")[0] for alias in node.names if not alias.asname}
            named |= tops | {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute):
            chains.add(ast.unparse(node))
    found = set()
    for chain in chains:
        first, _, rest = chain.partition(".")
        if first in named and named[first].split(".")[0] not in ("model", "app", "heedmap", *sys.stdlib_module_names):
            with contextlib.suppress(ImportError, ValueError):  # an attribute of something that is no package
                if importlib.util.find_spec(f"{named[first]}.{rest}") is not None:
                    found.add(f"{named[first]}.{rest}")
    return {name for name in found if not any(each == name or each.startswith(f"{name}.") for each in imported)}


def unreached(names: Iterable[str]) -> str:
    """Those of these modules that are not there when their packages alone are imported."""
    code = (
        "import importlib, operator, sys\n"
        "for name in sys.argv[1:]:\n"
        "    first, _, rest = name.partition('.')\n"
        "    try:\n"
        "        operator.attrgetter(rest)(importlib.import_module(first))\n"
        "    except AttributeError:\n"
        "        print(name)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *sorted(names)], capture_output=True, text=True, check=True
    ).stdout
