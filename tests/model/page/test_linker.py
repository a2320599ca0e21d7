"""Modules joined into one: in the order in which they run, by what they export; and refused where that is not sure."""

from pathlib import Path

import pytest

from heedmap.model.page.errors import LinkError
from heedmap.model.page.linker import graph, linked

STATIC = Path(__file__).parents[3] / "static"


def joined(**sources: str) -> str:
    """Modules by their names without .js, __ for a slash; the first begins the program."""
    files = {f"{name.replace('__', '/')}.js": source for name, source in sources.items()}

    def read(name: str) -> str:
        try:
            return files[name]
        except KeyError:
            raise FileNotFoundError(2, "no such file", name) from None

    return linked(next(iter(files)), read, lambda name: f"begun({name})")


def test_the_joined_module_word_for_word() -> None:
    made = joined(
        main='/** Begins. */\nimport { a as first, b } from "./parts/one.js";\nimport * as two from "./two.js";\n'
        'import "./three.js";\n\nexport const sum = first + b + two.c; // all\n',
        parts__one='import { c } from "../two.js";\nexport const a = c;\nexport function b() {\n  return 2;\n}\n',
        two="const inner = 3;\nexport { inner as c };\n",
        three="globalThis.three = true;\n",
    )
    assert made == (
        "const module$0 = (() => {\nconst inner = 3;\nreturn { c: inner };\n})();\n"
        "const module$1 = (() => {\nconst { c } = module$0;\nconst a = c;\nfunction b() {\nreturn 2;\n}\n"
        "return { a, b };\n})();\n"
        "const module$2 = (() => {\nglobalThis.three = true;\n\n})();\n"
        "const module$3 = (() => {\nconst { a: first, b } = module$1;\nconst two = module$0;\n"
        "const sum = first + b + two.c;\nreturn { sum };\n})();\n"
    )


def test_every_form_of_export_that_is_joined() -> None:
    made = joined(
        main='import { a, b, c, d, e, f } from "./all.js";',
        all="export async function a() {}\nexport function* b() {}\nexport async function* c() {}\n"
        'export class d {}\nexport const e = (x) => [x, 1];\nexport { g as f } from "./more.js";\n',
        more="export const g = `${1}, ${2}`;",
    )
    assert "return { a, b, c, d, e, f: again$5$f };" in made
    assert "const { g: again$5$f } = module$0;" in made
    assert "export" not in made


def test_words_that_are_no_statements_stay() -> None:
    source = 'const o = { import: 1, export: 2 };\no.import = `import { x } from "y" ${o.export}`;\nf("export");'
    assert joined(main=source) == f"const module$0 = (() => {{\n{source}\n\n}})();\n"


def test_a_workers_module_is_named_where_it_is_begun() -> None:
    made = joined(source__pool='new Worker(new URL("./work/er.js", import.meta.url), { type: "module" });')
    assert "\nbegun(source/work/er.js);\n" in made


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("export let a = 1;", "export let"),
        ("export default 1;", "export default"),
        ('export * from "./one.js";', r"export \*"),
        ("export const { a } = b;", "export const {"),
        ("export const a = f(1, 2), b = 3;", "a statement of its own"),
        ('import one from "./one.js";', "default export"),
        ('import { default as a } from "./one.js";', "default"),
        ('import { a } from "one";', "not relative"),
        ('import { a } from "../one.js";', "outside"),
        ('import { missing } from "./one.js";', "one.js does not export"),
        ('import { a } from "./two.js";', "two.js cannot be read"),
        ('const m = import("./one.js");', "static"),
        ("f(import.meta.url);", "static"),
        ('new Worker(new URL("./one.js", import.meta.url));', "static"),
        ("await f();", "waits at its top"),
    ],
)
def test_what_is_not_joined_is_refused_by_name(source: str, why: str) -> None:
    with pytest.raises(LinkError, match=why):
        joined(main=source, one="export const a = 1;")


def test_a_circle_is_refused() -> None:
    with pytest.raises(LinkError, match=r"main\.js -> a\.js -> main\.js is a circle"):
        joined(main='import { b } from "./a.js";\nexport const c = b;', a='import { c } from "./main.js";')


def test_all_imports_of_the_explorer_are_static_and_relative_and_lead_somewhere() -> None:
    sources = {
        path.relative_to(STATIC / "js").as_posix(): path.read_text("utf-8") for path in STATIC.rglob("js/**/*.js")
    }
    modules = graph("main.js", sources.__getitem__)
    assert list(modules)[-1] == "main.js"
    assert len(modules) > 50
    for name in sources.keys() - modules.keys():  # programs of workers, types, and what only tests look at
        assert list(graph(name, sources.__getitem__))[-1] == name
