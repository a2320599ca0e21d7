"""The explorer as few files: named by what is in them, whole, and the same each time."""

import hashlib
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from heedmap.model.page.assets import INDEX, assets, made, write
from heedmap.model.page.errors import LinkError
from heedmap.model.page.files import STATIC, Files

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>x</title>
  <link rel="icon" href="icon.svg" type="image/svg+xml">
  <script src="js/early.js"></script>
  <link rel="stylesheet" href="css/a.css">
  <!-- why -->
  <link rel="stylesheet" href="css/b.css" id="b" class="c">
  <script type="application/octet-stream" id="plotly" data-src="vendor/plotly.js"></script>
  <script src="js/main.js" type="module"></script>
</head>
<body>
  <p>link and script</p>
</body>
</html>
"""
FILES = {
    "index.html": PAGE,
    "icon.svg": "<svg/>",
    "js/early.js": "early = 1;",
    "css/a.css": "/* a */\na { color: red }\n",
    "css/b.css": "b {\n  color: blue\n}\n",
    "vendor/plotly.js": "plotly = 1;",
    "js/main.js": 'import { a } from "./source/a.js";\n'
    'a(new Worker(new URL("./source/w.js", import.meta.url), { type: "module" }));\n',
    "js/source/a.js": "export function a() {}\n",
    "js/source/w.js": 'import { a } from "./a.js";\na();\n',
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A page with everything that is joined."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_small_page_word_for_word(small: Path) -> None:
    files = made(small)
    icon = FILES["icon.svg"].encode()
    by_kind = {re.sub(r"-[0-9a-f]{16}", "", name): name for name in files}
    assert set(by_kind) == {
        *("index.html", "built/early.js", "built/explorer.css", "built/explorer.js"),
        *("built/plotly.js", "built/w.js"),
    }
    assert files[by_kind["built/explorer.css"]].plain == b"a { color: red }\nb {\ncolor: blue\n}\n"
    worker = by_kind["built/w.js"].removeprefix("built/")
    begun = f'a(new Worker(new URL("{worker}", import.meta.url), {{ type: "module" }}));'
    assert begun.encode() in files[by_kind["built/explorer.js"]].plain
    assert files[by_kind["built/w.js"]].plain.startswith(b"const module$0 = (() => {\nfunction a() {}")
    assert files[INDEX].plain.decode() == (
        '<!doctype html>\n<html lang="en">\n<head>\n  <meta charset="utf-8">\n  <title>x</title>\n'
        f'  <link rel="icon" href="data:image/svg+xml;base64,{b64encode(icon).decode()}">\n'
        f'  <script src="{by_kind["built/early.js"]}"></script>\n'
        f'  <link rel="stylesheet" href="{by_kind["built/explorer.css"]}" id="b" class="c">\n'
        f'  <script data-src="{by_kind["built/plotly.js"]}" type="application/octet-stream" id="plotly"></script>\n'
        f'  <script src="{by_kind["built/explorer.js"]}" type="module"></script>\n'
        "</head>\n<body>\n  <p>link and script</p>\n</body>\n</html>\n"
    )
    for name, file in files.items():
        if name != INDEX:
            assert hashlib.sha256(file.plain).hexdigest().startswith(name.rpartition("-")[2].partition(".")[0])


def test_a_second_page_has_files_of_its_own_and_shares_what_is_the_same(small: Path) -> None:
    (small / "lab.html").write_text(PAGE.replace("css/a.css", "css/b.css"))
    files = made(small)
    kinds = sorted(re.sub(r"-[0-9a-f]{16}", "", name) for name in files)
    assert kinds == sorted(
        [
            *("index.html", "lab.html", "built/early.js", "built/plotly.js", "built/w.js"),
            *("built/explorer.css", "built/explorer.js", "built/lab.css", "built/lab.js"),
        ]
    )
    assert b"built/explorer" not in files["lab.html"].plain
    assert b"built/lab" not in files["index.html"].plain
    (small / "built").mkdir()
    write(small / "built", small)
    assert assets(small) == files


def test_a_change_is_seen_and_changes_the_names(small: Path) -> None:
    before = set(assets(small))
    assert set(assets(small)) == before
    (small / "css" / "a.css").write_text("a { color: green }\n")
    changed = set(assets(small)) ^ before
    assert {re.sub(r"-[0-9a-f]{16}", "", name) for name in changed} == {"built/explorer.css"}


def test_what_was_made_ready_is_what_is_made(small: Path) -> None:
    fresh = made(small)
    (small / "built").mkdir()
    names = write(small / "built", small)
    assert sorted(names) == sorted(path.name for path in (small / "built").iterdir())
    (small / "index.html").unlink()  # nothing else is looked at any more
    ready = assets(small)
    assert ready == fresh
    assert {name: file.media_type for name, file in ready.items()} == {n: f.media_type for n, f in fresh.items()}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("css/a.css", '@import "b.css";', "asks for another file"),
        ("css/a.css", "a { background: url(x.png) }", "asks for another file"),
        ("index.html", PAGE.replace('type="module"', 'type="text/x"'), "one program"),
        ("index.html", PAGE.replace('rel="icon"', 'rel="preload"'), "preload"),
        ("index.html", PAGE.replace("css/b.css", "css/c.css"), "css/c.css cannot be read"),
    ],
)
def test_what_would_break_is_refused(small: Path, name: str, text: str, why: str) -> None:
    (small / name).write_text(text)
    with pytest.raises(LinkError, match=why):
        made(small)


def test_a_picture_inside_a_style_sheet_is_none(small: Path) -> None:
    (small / "css" / "a.css").write_text("a { background: url(data:,) }\n")
    assert b"url(data:,)" in Files(small).css(["css/a.css"]).encode()


def test_the_explorer_is_few_and_small_and_the_same_in_every_process(tmp_path: Path) -> None:
    shutil.copytree(STATIC, tmp_path / "static", ignore=shutil.ignore_patterns("built"))
    files = made(tmp_path / "static")
    lab = {name: len(file.packed) for name, file in files.items() if name.startswith(("lab.", "built/lab-"))}
    assert len(lab) == 3
    assert sum(lab.values()) <= 150_000  # bytes, in both languages the texts of the explorer among them
    first = {name: len(file.packed) for name, file in files.items() if "plotly" not in name and name not in lab}
    assert len(first) <= 6
    assert sum(first.values()) <= 250_000  # bytes to the first picture, Plotly apart
    code = "import sys, pathlib, heedmap.model.page.assets as a; print(*a.made(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(tmp_path / "static")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=STATIC.parent)
    assert done.stdout.split() == list(files)


def test_they_are_made_by_pythons_own_library_alone() -> None:
    code = (
        "import sys, heedmap.model.page.trace_page, heedmap.model.page.assets\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print({name for name in tops if name not in sys.stdlib_module_names and not name.startswith('_')})"
    )
    command = [sys.executable, "-S", "-c", code]  # without site-packages, as in a wheel's build
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=STATIC.parent)
    assert done.stdout.strip() == "{'heedmap'}"
