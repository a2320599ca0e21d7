"""The house rules: layout, imports that run one way, sizes, and what Makefile, Dockerfile and compose file promise."""

import ast
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 320  # lines of a source file: about 300, and a little room for an import block
BROUGHT = {"triton"}  # by PyTorch, with its CUDA builds
SUFFIXES = {".py", ".js", ".css", ".html"}
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
TOOLS: dict[str, Any] = PYPROJECT["tool"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
LAYOUT = [
    *("pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE", "Dockerfile"),
    *("docker-compose.yml", ".ci/run", ".dockerignore", ".gitignore", ".pre-commit-config.yaml"),
    *("heedmap.py", "requirements.lock", ".build/hook.py", ".build/locked.py"),
    *(
        "model/shapes.py",
        "model/errors.py",
        "app/http/main.py",
        "app/cli.py",
        "app/client/api.py",
        "static/index.html",
        "benchmarks",
    ),
]

# Which of our own packages each may import.
ALLOWED = {"model": {"model"}, "app": {"app", "model"}}


def sources(*folders: str, suffixes: set[str] = SUFFIXES) -> list[Path]:
    """Our own source files under these folders."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path.suffix in suffixes]
    return [path for path in paths if not {"vendor", "__pycache__", "node_modules"} & set(path.parts)]


def imports(source: str) -> set[str]:
    """The dotted names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            more = {alias.name for alias in node.names} if node.module == "heedmap" else {""}
            names |= {f"{node.module}.{name}".rstrip(".") for name in more}
    return names


def packages(source: str) -> set[str]:
    """The top-level packages that a module imports."""
    return {name.partition(".")[0] for name in imports(source)}


def trespasses(package: str, source: str) -> set[str]:
    """The packages of ours that a module of this package imports and may not; ours are parts of heedmap."""
    parts = {name.split(".")[1] for name in imports(source) if name.startswith("heedmap.")}
    inside = parts & {"model", "app", "static"}
    outside = packages(source) & {"model", "app", "static", "tests", "benchmarks"}
    return inside - ALLOWED[package] | outside


Documented = dict[str, set[str]]
FRAMEWORKS = {"forward", "get_response"}  # PyTorch's and Starlette's names, documented there


def documented(source: str) -> Documented:
    """The documented methods of each class of a module."""
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {c.name: {n.name for n in c.body if isinstance(n, functions) and ast.get_docstring(n)} for c in classes}


def undocumented(source: str, bases: Documented) -> list[str]:
    """Public functions, classes and methods without a docstring; an override has that of the method it overrides."""

    def walk(body: list[ast.stmt], prefix: str, inherited: set[str]) -> Iterator[str]:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            overload = any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)
            if not ast.get_docstring(node) and not overload and node.name not in inherited:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                names = {base.id for base in node.bases if isinstance(base, ast.Name)}
                above = FRAMEWORKS.union(*(bases.get(name, set()) for name in names))
                yield from walk(node.body, f"{prefix}{node.name}.", above)

    return list(walk(ast.parse(source).body, "", set()))


def machine_paths(text: str) -> list[str]:
    """Absolute paths of somebody's machine: home folders and work trees."""
    return re.findall(r"(?<![\w.~/-])/(?:home|root|Users|work|mnt)/[\w.-]+", text)


@pytest.mark.parametrize("name", LAYOUT)
def test_the_layout_is_the_designs(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_run_one_way(package: str) -> None:
    modules = sources(package, suffixes={".py"})
    faults = {str(path.relative_to(ROOT)): trespasses(package, path.read_text()) for path in modules}
    assert {path: names for path, names in faults.items() if names} == {}
    assert len(modules) > 5, "the check looked at nothing"


def test_a_wrong_import_is_found() -> None:
    assert trespasses("model", "def late():\n    from heedmap.app.render.wire import to_npy\n") == {"app"}
    assert trespasses("model", "from heedmap import app, model") == {"app"}
    assert trespasses("app", "import tests.conftest\nimport heedmap.model.trace.trace") == {"tests"}
    assert trespasses("app", "import model") == {"model"}, "it is a part of heedmap"
    assert trespasses("model", "import torch\nfrom heedmap.model.trace.trace import Trace") == set()


def test_importing_the_model_side_loads_nothing_of_the_service() -> None:
    code = "import sys, heedmap.model.load; print({'heedmap.app', 'fastapi', 'plotly'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


def test_no_file_is_too_long() -> None:
    files = sources("model", "app", "static", "tests", "benchmarks")
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}
    assert len(lengths) > 30, "the check looked at too little"


def test_everything_public_is_documented() -> None:
    modules = {str(p.relative_to(ROOT)): p.read_text() for p in sources("model", "app", suffixes={".py"})}
    bases: Documented = {}
    for source in modules.values():
        bases |= documented(source)
    faults = {path: undocumented(source, bases) for path, source in modules.items()}
    assert {path: names for path, names in faults.items() if names} == {}


def test_a_missing_docstring_is_found() -> None:
    source = 'class A:\n    """Yes."""\n    def b(self): ...\n    def _c(self): ...\n\ndef d():\n    """Yes."""\n'
    assert undocumented(source, {}) == ["A.b"]
    override = 'class B(A):\n    """Yes."""\n    def b(self): ...\n    def c(self): ...\n'
    assert undocumented(override, {"A": {"b"}}) == ["B.c"]


def test_no_file_names_a_machines_own_paths() -> None:
    tops = [ROOT / name for name in ("Makefile", "Dockerfile", "docker-compose.yml", ".ci/run", "pyproject.toml")]
    files = [
        *tops,
        *ROOT.glob("*.md"),
        *sources("model", "app", "static", "tests", "benchmarks", suffixes={*SUFFIXES, ".md"}),
    ]
    faults = {str(path.relative_to(ROOT)): machine_paths(path.read_text()) for path in files if path != Path(__file__)}
    assert {path: names for path, names in faults.items() if names} == {}


def test_a_machines_path_is_found() -> None:
    assert machine_paths("open('/home/someone/data')") == ["/home/someone"]
    assert machine_paths("GET /v1/traces, ~/work/here, app/root/x, https://host/home/page") == []


def test_the_version_is_the_changelogs_latest() -> None:
    released = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == PROJECT["version"]


def test_the_package_is_what_was_promised() -> None:
    assert PROJECT["scripts"] == {"heedmap": "heedmap.app.cli:main"}
    assert PROJECT["requires-python"] == ">=3.11"
    every = PROJECT["dependencies"] + [line for lines in EXTRAS.values() for line in lines if "heedmap" not in line]
    assert [line for line in every if not re.search(r"==|<", line)] == [], "a dependency without an upper bound"
    assert {canonical(line) for line in PROJECT["dependencies"]} == {"httpx", "numpy", "plotly", "safetensors"}


def undeclared(source: str, declared: set[str]) -> set[str]:
    """The top-level packages of others that a module imports and that none of these requirements brings."""
    names = packages(source) - sys.stdlib_module_names - {"heedmap", "tests", "benchmarks"}
    return {name for name in names if not declared & {canonical(each) for each in providers().get(name, [])}}


@cache
def providers() -> Mapping[str, list[str]]:
    """The distributions that bring each top-level package; reading them takes a second."""
    return packages_distributions()


def canonical(requirement: str) -> str:
    """The name of a distribution, as the index compares it, without extras and versions."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("model", ["serve", "peft", "train", "widget"]),
        ("app", ["serve", "cluster", "telemetry", "cloud"]),
        ("tests", [*EXTRAS]),
        ("benchmarks", ["serve", "bench"]),
    ],
)
def test_what_is_imported_is_declared(folder: str, extras: list[str]) -> None:
    lines = PROJECT["dependencies"] + [line for extra in extras for line in EXTRAS[extra]]
    declared = {canonical(line) for line in lines} | BROUGHT
    faults = {str(p.relative_to(ROOT)): undeclared(p.read_text(), declared) for p in sources(folder, suffixes={".py"})}
    assert {path: names for path, names in faults.items() if names} == {}


def test_an_undeclared_import_is_found() -> None:
    assert undeclared("import os, numpy\nfrom heedmap.app import cli\nimport typer.testing", {"numpy"}) == {"typer"}
    assert canonical("uvicorn[standard]>=0.54,<0.55") == "uvicorn"


def test_the_lock_holds_hashes_for_every_extra_and_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert re.findall(r"\w+://\S+|--(?:extra-)?index\S*", lock) == []
    entries = re.split(r"^(?=[\w-])", lock, flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    locked = {canonical(entry) for entry in entries}
    every = PROJECT["dependencies"] + [line for lines in EXTRAS.values() for line in lines if "heedmap" not in line]
    assert {canonical(line) for line in every} <= locked


def printed(*arguments: str) -> set[str]:
    """The distributions that `.build/locked.py` prints."""
    command = [sys.executable, ROOT / ".build" / "locked.py", *arguments]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {canonical(line) for line in lines if not line.startswith(" ")}


def test_pip_is_given_what_an_extra_needs_and_no_build_of_pytorch() -> None:
    assert {"numpy", "httpx", "httpcore", "plotly", "safetensors"} <= printed()
    assert not {"fastapi", "torch", "pytest"} & printed()
    assert {"fastapi", "transformers", "uvloop", "sympy"} <= printed("serve"), "what the extras of others bring, too"
    assert not {"torch", "nvidia-cublas", "triton", "pytest"} & printed("serve")
    assert {"torch", "nvidia-cublas", "triton"} <= printed("--torch", "serve")
    assert {"pytest", "sacrebleu", "ctranslate2", "peft", "fastapi"} <= printed("test")
    assert {"torch", "fastapi", "nvidia-cublas"} <= printed("--versions")


def test_the_linters_environment_holds_what_mypy_reads() -> None:
    """Locally the tests' environment would hide what is missing there."""
    untyped = {name.split(".")[0] for table in TOOLS["mypy"]["overrides"] for name in table["module"]}
    brought = printed("--torch", "lint")
    faults = {
        str(p.relative_to(ROOT)): undeclared(p.read_text(), brought) - untyped
        for p in sources("model", "app", suffixes={".py"})
    }
    assert {path: names for path, names in faults.items() if names} == {}
    stubs = {f"types-{canonical(line)}" for extra in ("serve", "cluster", "telemetry") for line in EXTRAS[extra]}
    assert "types-pyyaml" in stubs & brought


def test_the_makefile_has_its_targets_and_help_lists_them() -> None:
    printed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = {"serve", "test", "test-device", "test-newest", "lint", "lock", "train", "bench", "help"}
    assert targets <= set(re.findall(r"^  make ([\w-]+)", printed, re.MULTILINE))


def test_make_serve_takes_host_and_port() -> None:
    command = ["make", "--no-print-directory", "--dry-run", "serve", "HOST=0.0.0.0", "PORT=8123"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "heedmap serve --host 0.0.0.0 --port 8123" in printed


def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text().splitlines()
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_command_line_is_quick_and_leaves_torch_alone() -> None:
    code = (
        "import sys; from heedmap.app.cli import cli; "
        "cli(['--help'], standalone_mode=False); print([m for m in ('torch', 'numpy', 'httpx') if m in sys.modules])"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert time.monotonic() - start < 5, "a quarter of a second on an idle machine"
    assert "predict" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_the_installed_command_tells_its_version() -> None:
    command = Path(sys.executable).with_name("heedmap")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"heedmap {PROJECT['version']}"
