"""The package as its users have it: the wheel's contents, imports beside files of theirs, the base install, types."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

import heedmap
from heedmap.model.page.assets import made

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "raise RuntimeError('the wrong module was imported')\n"
# What the base install brings, by the names that are imported, and what our own tools bring along.
BASE = {"heedmap", "numpy", "httpx", "plotly", "safetensors"}
BROUGHT = {"anyio", "certifi", "h11", "httpcore", "idna", "narwhals", "packaging", "typing_extensions", "_plotly_utils"}
ONLY_BASE = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {BASE | BROUGHT!r} | set(sys.stdlib_module_names) and not top.startswith("_"):
            raise ModuleNotFoundError(f"No module named {{top!r}}", name=top)

sys.meta_path.insert(0, Missing())
"""
CLIENT = """
import json, httpx, numpy as np
from heedmap import AsyncClient, Client
axis = {"kind": "text", "labels": ["a", "b"], "ids": [1, 2], "spans": [[0, 1], [1, 2]], "special": [False, False]}
site = {"name": "encoder", "layers": 1, "heads": 1, "kv_heads": 1, "shape": [2, 2],
        "queries": "tokens", "keys": "tokens"}
answer = {"id": "0", "model": "m", "task": "t", "prediction": {"text": "b a", "tokens": [], "score": -1.0}, "bytes": 3,
          "axes": {"tokens": axis}, "sites": [site], "certificate": {}}
weights = np.eye(2, dtype=np.float32)

def answered(request):
    if request.url.path.endswith("/file"):
        return httpx.Response(200, content=b"abc")
    if "/maps/" in request.url.path:
        import io
        file = io.BytesIO()
        np.save(file, weights)
        if request.url.params.get("visible") == "true" and "/encoder/0/0" in request.url.path:
            np.save(file, weights > 0)
        return httpx.Response(200, content=file.getvalue())
    return httpx.Response(200, json=answer)

with Client(transport=httpx.MockTransport(answered)) as client:
    print(client.predict("a b").text)
    trace = client.trace("a b")
    window = client.map(trace, "encoder", layer=0, head=0)
    assert (window.weights == weights).all()
    assert (window.visible == (weights > 0)).all()
    [heatmap] = window.figure().data
    assert (np.isnan(heatmap.z) == (weights == 0)).all()
    older = client.map(trace, "encoder", layer=0, head="max")  # of a service that does not know what is asked
    assert older.visible is None
    assert (older.figure().data[0].z == weights).all()
    assert client.download(trace, "trace.safetensors").read_bytes() == b"abc"
"""


def run(program: list[str], folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with another on the path of modules."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, env=environment, timeout=900)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the work tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(build, check=True)
    [path] = folder.glob("heedmap-*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into, its command in bin/."""
    folder = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run(install, check=True)
    return folder


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A user's folder, whose own modules have the names of our folders."""
    for name in ("app", "model", "static"):
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    return tmp_path


def test_the_wheel_is_one_package_and_complete(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {"heedmap", f"heedmap-{heedmap.__version__}.dist-info"}
    folders = [path for folder in ("app", "model", "static") for path in (ROOT / folder).rglob("*")]
    files = {path for path in folders if path.is_file() and "__pycache__" not in path.parts}
    assert {f"heedmap/{path.relative_to(ROOT).as_posix()}" for path in files} <= names
    assert {"heedmap/__init__.py", "heedmap/py.typed", "heedmap/model/weights/de-en/model.safetensors"} <= names
    assert "heedmap/heedmap.py" not in names
    ready = {
        f"heedmap/static/{file}.gz" if file.startswith("built/") else f"heedmap/static/built/{file}.gz"
        for file in made()
    }
    assert {name for name in names if name.startswith("heedmap/static/built/")} == ready


def test_the_wheel_works_beside_a_users_own_app_and_model(installed: Path, hostile: Path) -> None:
    code = "import heedmap, sys; from heedmap import *; print(heedmap.__file__, Client.__module__, Trace.__module__)"
    done = run([sys.executable, "-c", code], hostile, installed)
    assert done.returncode == 0, done.stderr
    assert str(installed / "heedmap" / "__init__.py") in done.stdout
    assert "heedmap.app.client.api heedmap.model.trace.trace" in done.stdout
    done = run([str(installed / "bin" / "heedmap"), "--version"], hostile, installed)
    assert done.stdout.strip() == f"heedmap {heedmap.__version__}", done.stderr


def test_the_work_tree_works_beside_a_users_own_app_and_model(hostile: Path) -> None:
    code = "from heedmap import AsyncClient, Client, Parameters, Request, Trace, load; print(load.__module__)"
    done = run([sys.executable, "-c", code], hostile)  # installed editable
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("heedmap.model.")
    done = run([str(Path(sys.executable).with_name("heedmap")), "--version"], hostile)
    assert done.stdout.startswith("heedmap "), done.stderr


def test_the_hostile_modules_are_met_by_whoever_imports_them(hostile: Path) -> None:
    assert "the wrong module" in run([sys.executable, "-c", "import app"], hostile).stderr


def test_importing_heedmap_loads_neither_pytorch_nor_numpy() -> None:
    code = "import sys, heedmap; dir(heedmap); print({'torch', 'numpy', 'httpx', 'pydantic'} & {*sys.modules})"
    assert run([sys.executable, "-c", code], ROOT).stdout.strip() == "set()"


def test_every_public_name_is_there_and_no_other() -> None:
    assert set(heedmap.__all__) <= set(dir(heedmap))
    assert all(getattr(heedmap, name) is not None for name in heedmap.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        heedmap.nonsense  # noqa: B018


def test_the_client_works_on_the_base_install(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", ONLY_BASE + CLIENT], tmp_path, ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "b a"


@pytest.mark.parametrize("name", ["figures", "colours", "isolate", "encoding"])
def test_what_the_clients_draw_and_write_with_needs_the_base_install_alone(name: str, tmp_path: Path) -> None:
    done = run([sys.executable, "-c", f"{ONLY_BASE}\nimport heedmap.app.render.{name}"], tmp_path, ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "extra"),
    [("Trace", "serve"), ("load", "serve"), ("Request", "serve"), ("Parameters", "serve"), ("show", "widget")],
)
def test_what_the_base_install_lacks_says_what_to_install(name: str, extra: str, tmp_path: Path) -> None:
    done = run([sys.executable, "-c", f"{ONLY_BASE}\nfrom heedmap import {name}"], tmp_path, ROOT)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: heedmap.{name} needs ")
    assert last.endswith(f"which is not installed: pip install 'heedmap[{extra}]'")


def test_the_command_without_the_service_says_what_to_install(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", f"{ONLY_BASE}\nfrom heedmap.app.cli import main"], tmp_path, ROOT)
    assert done.stderr.strip() == "heedmap: the command comes with the service: pip install 'heedmap[serve]'"
    assert done.returncode == 1


def test_no_module_is_imported_under_two_names() -> None:
    assert any(name.startswith("heedmap.model.") for name in sys.modules), "the check looked at nothing"
    assert {name.partition(".")[0] for name in sys.modules} & {"app", "model", "static"} == set()


def test_shapes_are_checked_in_the_package() -> None:
    from heedmap.model.attention.scores import dot

    assert dot(torch.ones(1, 2, 4), torch.ones(1, 3, 4)).shape == (1, 2, 3)
    with pytest.raises(TypeCheckError, match=r"k"):  # which PyTorch itself would multiply
        dot(torch.ones(1, 2, 4), torch.ones(3, 4))


def test_a_users_mypy_sees_the_wheels_types(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        "from heedmap import Client, Trace, load\n"
        "reveal_type(Client().predict('a').text)\n"
        "reveal_type(Trace.load)\n"
        "reveal_type(load('a').task)\n"
        "from heedmap import Nonsense\n"
        "Client(colour='red')\n"
    )
    check = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "use.py"]
    expected = run(check, tmp_path, installed).stdout
    assert expected.count('Revealed type is "str"') == 2, expected
    assert "-> heedmap.model.trace.trace.Trace" in expected
    assert 'has no attribute "Nonsense"' in expected
    assert 'Unexpected keyword argument "colour"' in expected
