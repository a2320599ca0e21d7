"""ES modules joined into one, without a bundler: each becomes a function that returns what it exports.

    const module$0 = (() => { ...; return { element, byId }; })();          // views/dom.js
    const module$1 = (() => { const { byId } = module$0; ...; return {}; })();   // main.js

That is what the modules mean, as long as (1) none imports another in a circle, (2) no export is assigned to later,
(3) none waits at its top, and (4) imports are static and relative. The explorer is written so, by its rules of ESLint;
what is not is refused here by name, so that nothing is joined wrongly. Comments and indentation are left out.

Why not esbuild: it is a program of npm's, and an sdist must install where there is no Node; a page is written by Python
at run time, too. And the modules come out as they were written, which whoever opens the developer tools can read.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from posixpath import dirname, normpath

from heedmap.model.page.errors import LinkError
from heedmap.model.page.tokens import Token, stripped

NAME = re.compile(r"[A-Za-z_$][\w$]*")
FROM = re.compile(r"import\s*(?P<clause>.*?)\s*(?:\bfrom\s*)?(?P<place>\"[^\"]+\"|'[^']+')$", re.DOTALL)
# The one way in which a worker is begun: new Worker(new URL("./work.js", import.meta.url), { type: "module" })
WORKER = ["new", "Worker", "(", "new", "URL", "(", None, ",", "import", ".", "meta", ".", "url", ")", ","]
WORKER += ["{", "type", ":", '"module"', "}", ")"]


@dataclass
class Module:
    """A module's body without its imports and exports.

    imports: of each line that imports, the module's name and how its exports are bound there, as JavaScript.
    exports: the name outside -> the name inside. workers: modules that it begins workers with.
    """

    name: str
    body: list[str] = field(default_factory=list)
    imports: list[tuple[str, str]] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)
    workers: list[str] = field(default_factory=list)


def linked(main: str, read: Callable[[str], str], worker: Callable[[str], str]) -> str:
    """One module with everything that `main` imports, in the order in which a browser would run it.

    Args:
        main: the first module's name, such as main.js; others are named relative to it.
        read: the source of a module by its name.
        worker: an expression, in JavaScript, for a new worker that begins with a module.

    Raises:
        LinkError: a module is missing, or written in a way that is not joined here.
    """
    modules = graph(main, read)
    numbers = {name: number for number, name in enumerate(modules)}
    parts = []
    for name, module in modules.items():
        lines = [f"const {bound} = module${numbers[other]};" for other, bound in module.imports if bound]
        for other, bound in module.imports:
            _check_exports(module, modules[other], bound)
        body = "".join(part if part[0] != "\0" else worker(part[1:]) for part in module.body)
        given = ", ".join(name if name == inside else f"{name}: {inside}" for name, inside in module.exports.items())
        gives = f"return {{ {given} }};" if given else ""
        parts.append("\n".join([f"const module${numbers[name]} = (() => {{", *lines, body.strip("\n"), gives, "})();"]))
    return "\n".join(parts) + "\n"


def graph(main: str, read: Callable[[str], str]) -> dict[str, Module]:
    """The modules that `main` needs, each after those that it imports itself.

    Raises:
        LinkError: they import each other in a circle, one is missing, or is written in another way.
    """
    done: dict[str, Module] = {}
    open_now: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in open_now:
            raise LinkError(f"{' -> '.join([*open_now[open_now.index(name) :], name])} is a circle")
        open_now.append(name)
        try:
            module = parsed(name, read(name))
        except OSError as error:
            raise LinkError(f"{name} cannot be read: {error.strerror}") from error
        for other, _ in module.imports:
            visit(other)
        open_now.pop()
        done[name] = module

    visit(main)
    return done


@lru_cache(maxsize=1024)
def parsed(name: str, source: str) -> Module:
    """A module by its name and source; kept while pages are made, since they share modules. Nobody changes it.

    Raises:
        LinkError: it has something that is not joined here.
    """
    module = Module(name)
    try:
        _Reader(module, stripped(source)).read()
    except LinkError as error:
        raise LinkError(f"{name}: {error}") from error
    return module


class _Reader:
    """Goes through a module once; what is no import and no export stays as it is."""

    def __init__(self, module: Module, found: list[Token]) -> None:
        self.module, self.tokens, self.at = module, found, 0

    def read(self) -> None:
        """Fill the module."""
        depth, before = 0, ""
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            word = token.text if token.kind == "name" and before != "." else ""
            before = before if token.kind == "space" else token.text
            if word == "import":
                self._import(depth)
            elif word == "export" and depth == 0:
                self._export()
            elif word == "new" and self._worker():
                pass
            elif word == "await" and depth == 0:
                raise LinkError("waits at its top")
            else:
                if token.kind == "sign":
                    depth += (token.text in "([{") - (token.text in ")]}")
                elif token.kind == "template":  # `...${ opens a brace, }...` closes one
                    depth += token.text.endswith("${") - token.text.startswith("}")
                self.module.body.append(token.text)
                self.at += 1

    def _next(self, places: int) -> list[tuple[int, Token]]:
        """So many tokens from here on that are no spaces, and where they stand."""
        found = []
        for place in range(self.at, len(self.tokens)):
            if self.tokens[place].kind != "space":
                found.append((place, self.tokens[place]))
                if len(found) == places:
                    break
        return found

    def _take(self, last: Callable[[Token], bool]) -> str:
        """Everything up to a token, which is taken too, and a semicolon after it."""
        start = self.at
        while self.at < len(self.tokens) and not last(self.tokens[self.at]):
            self.at += 1
        self.at += 1
        text = "".join(token.text for token in self.tokens[start : self.at])
        if self.at < len(self.tokens) and self.tokens[self.at].text == ";":
            self.at += 1
        return text

    def _import(self, depth: int) -> None:
        following = self._next(2)[-1][1].text
        if following == ":":  # a property's name
            self.module.body.append("import")
            self.at += 1
            return
        if following in "(." or depth:
            raise LinkError(
                "imports are static, at the top; and import.meta is for workers: "
                'new Worker(new URL("./...", import.meta.url), { type: "module" })'
            )
        match = FROM.fullmatch(self._take(lambda token: token.kind == "string"))
        if match is None:
            raise LinkError("an import does not read")
        self.module.imports.append((self._place(match["place"]), bound(match["clause"])))

    def _export(self) -> None:
        _, (place, word), *rest = self._next(5)  # export async function * name
        if word.text == "{":
            names = self._take(lambda token: token.text == "}").removeprefix("export").strip()
            if [token.text for _, token in self._next(1)] == ["from"]:
                self._again(names)
            else:
                self.module.exports |= {outside: inside for inside, outside in pairs(names)}
            return
        name = next((token.text for _, token in rest if token.text not in ("function", "*")), "")
        if word.text not in ("async", "function", "class", "const") or not NAME.fullmatch(name):
            raise LinkError(f"export {word.text} {name} ... is not joined: name one thing, and never assign to it")
        if word.text == "const":
            self._check_single(place)
        self.module.exports[name] = name
        self.at = place

    def _again(self, names: str) -> None:
        """export { a as b } from "./c.js": bound here under names that nobody else has."""
        text = self._take(lambda token: token.kind == "string")
        place = self._place(text.strip().removeprefix("from").strip())
        inner = {outside: f"again${len(self.module.exports)}${outside}" for _, outside in pairs(names)}
        renamed = ", ".join(f"{inside}: {inner[outside]}" for inside, outside in pairs(names))
        self.module.imports.append((place, f"{{ {renamed} }}"))
        self.module.exports |= inner

    def _check_single(self, place: int) -> None:
        """A second name after a comma would not be seen."""
        depth = 0
        for token in self.tokens[place:]:
            if token.kind == "template":
                depth += token.text.endswith("${") - token.text.startswith("}")
            elif token.kind == "sign":
                depth += (token.text in "([{") - (token.text in ")]}")
                if depth == 0 and token.text == ",":
                    raise LinkError("a constant is exported in a statement of its own")
                if depth == 0 and token.text == ";":
                    return

    def _worker(self) -> bool:
        """A worker that begins with a module of its own, if it is one that is begun here."""
        ahead = self._next(len(WORKER))
        texts = [token.text for _, token in ahead]
        if len(texts) < len(WORKER) or any(want not in (None, text) for want, text in zip(WORKER, texts, strict=True)):
            return False
        name = self._place(texts[WORKER.index(None)])
        self.module.workers.append(name)
        self.module.body.append("\0" + name)
        self.at = ahead[-1][0] + 1
        return True

    def _place(self, quoted: str) -> str:
        """A module's name, of how this one calls it."""
        place = quoted[1:-1]
        if not place.startswith(("./", "../")):
            raise LinkError(f"imports {place}, which is not relative")
        name = normpath(f"{dirname(self.module.name)}/{place}".lstrip("/"))
        if name.startswith(".."):
            raise LinkError(f"imports {place}, which is outside")
        return name


def pairs(names: str) -> list[tuple[str, str]]:
    """{ a, b as c } as [("a", "a"), ("b", "c")].

    Raises:
        LinkError: it is no such list.
    """
    if not (names.startswith("{") and names.endswith("}")):
        raise LinkError(f"{names} is no list of names")
    found = []
    for part in filter(None, (part.strip() for part in names[1:-1].split(","))):
        inside, _, outside = (*part.split(), "", "")[:3] if " as " in f" {part} " else (part, "", part)
        if not NAME.fullmatch(inside) or not NAME.fullmatch(outside) or "default" in (inside, outside):
            raise LinkError(f"{part} is no name, or the default one")
        found.append((inside, outside))
    return found


def bound(clause: str) -> str:
    """How JavaScript binds what an import's clause names: a pattern, a name, or nothing.

    Raises:
        LinkError: it imports a default.
    """
    if not clause:
        return ""
    if match := re.fullmatch(r"\*\s*as\s+([\w$]+)", clause):
        return match[1]
    if not clause.startswith("{"):
        raise LinkError(f"import {clause} ... is not joined: nothing here has a default export")
    parts = [inside if inside == outside else f"{inside}: {outside}" for inside, outside in pairs(clause)]
    return f"{{ {', '.join(parts)} }}"


def _check_exports(module: Module, other: Module, bound_as: str) -> None:
    """A name that is not exported would be undefined, and say so only when it is used."""
    if bound_as.startswith("{"):
        names = [part.split(":")[0].strip() for part in bound_as[1:-1].split(",") if part.strip()]
        missing = [name for name in names if name not in other.exports]
        if missing:
            raise LinkError(f"{module.name} imports {missing[0]}, which {other.name} does not export")


def quoted(text: str) -> str:
    """A text as JavaScript writes it, fit to stand in a script of a page."""
    return json.dumps(text).replace("<", "\\u003c")


def workers_of(modules: Mapping[str, Module]) -> list[str]:
    """The modules that these begin workers with."""
    return list(dict.fromkeys(name for module in modules.values() for name in module.workers))
