"""The explorer's own files, and its page with other tags in place of those that name them."""

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from posixpath import join
from typing import Protocol, runtime_checkable

from heedmap.model.page.errors import LinkError
from heedmap.model.page.linker import graph, linked, workers_of

STATIC = Path(__file__).resolve().parent.parent.parent / "static"
BUILT = "built"  # the folder, and the first step of the addresses, of what was joined
TAG = re.compile(r"[ \t]*<(link|script)\b([^<>]*)>(?:</script>)?\n?")
ATTRIBUTE = re.compile(r'([\w-]+)(?:="([^"]*)")?')
CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
HTML_COMMENT = re.compile(r"[ \t]*<!--.*?-->\n?", re.DOTALL)


@runtime_checkable
class Tags(Protocol):
    """What stands in the page for a file of the explorer."""

    def styles(self, names: list[str], attributes: str) -> str:
        """All style sheets as one; `attributes` has what their tags have besides."""

    def script(self, name: str) -> str:
        """A plain script that runs before the page is painted."""

    def module(self, name: str) -> str:
        """The program: a module with everything that it imports."""

    def later(self, name: str, attributes: str) -> str:
        """A script that the program asks for when it is needed, from an element with these attributes."""


@dataclass(frozen=True)
class Files:
    """The folder of the explorer's files."""

    folder: Path = STATIC

    def read(self, name: str) -> bytes:
        """A file as it is.

        Raises:
            LinkError: there is none.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise LinkError(f"{name} cannot be read: {error.strerror}") from error

    def icon(self, name: str) -> str:
        """The tag with the page's icon in it: a file is asked for anew with each address that the page gives itself."""
        return f'<link rel="icon" href="data:image/svg+xml;base64,{b64encode(self.read(name)).decode()}">'

    def text(self, name: str) -> str:
        """A file of text, its lines ended as a browser ends them, since a policy knows scripts by their hash."""
        return self.read(name).decode().replace("\r\n", "\n")

    def css(self, names: list[str]) -> str:
        """Style sheets in this order as one, without comments.

        Raises:
            LinkError: one asks for another file, whose address would be another one in what is joined.
        """
        parts = []
        for name in names:
            text = CSS_COMMENT.sub("", self.text(name))
            if re.search(r"@import|url\((?!\s*[\"']?(?:data:|#))", text):
                raise LinkError(f"{name}: a style sheet asks for another file")
            parts += [line.strip() for line in text.splitlines() if line.strip()]
        return "\n".join(parts) + "\n"

    def module(self, main: str, worker: Callable[[str], str]) -> str:
        """A module with everything that it imports, as one; `worker` as `linked` takes it, with the module's file."""
        root, name = rooted(main)
        return linked(name, lambda each: self.text(join(root, each)), worker)

    def workers(self, main: str) -> list[str]:
        """The files of modules that a program begins workers with."""
        root, name = rooted(main)
        modules = graph(name, lambda each: self.text(join(root, each)))
        return [join(root, name) for name in workers_of(modules)]

    def page(self, tags: Tags, name: str = "index.html") -> str:
        """A page with these tags, and without comments.

        Raises:
            LinkError: it has not one program and at least one style sheet, or a tag of another kind.
        """
        html = HTML_COMMENT.sub("", self.text(name))
        found = [(match, dict(ATTRIBUTE.findall(match[2]))) for match in TAG.finditer(html)]
        sheets = [given for match, given in found if given.get("rel") == "stylesheet"]
        if not sheets or sum(given.get("type") == "module" for _, given in found) != 1:
            raise LinkError(f"{name}: one program and its style sheets are what is joined here")
        pieces, at, styled = [], 0, False
        for match, given in found:
            rel, kind = given.get("rel"), given.get("type")
            if match[1] == "link" and rel == "icon":
                tag = self.icon(given["href"])
            elif match[1] == "link" and rel == "stylesheet":
                tag = (
                    "" if styled else tags.styles([sheet["href"] for sheet in sheets], _besides(sheets, "rel", "href"))
                )
                styled = True
            elif kind == "module" and "src" in given:
                tag = tags.module(given["src"])
            elif "data-src" in given:
                tag = tags.later(given["data-src"], _besides([given], "data-src"))
            elif match[1] == "script" and "src" in given and not kind:
                tag = tags.script(given["src"])
            else:
                raise LinkError(f"{name}: {match[0].strip()} is not joined here")
            pieces += [html[at : match.start()], tag and f"  {tag}\n"]
            at = match.end()
        return "".join([*pieces, html[at:]])


def rooted(module: str) -> tuple[str, str]:
    """The folder that modules are named from, and a module's name there: a worker's shares it with the page's."""
    root, slash, name = module.partition("/")
    return (root, name) if slash else ("", module)


def stamp(folder: Path) -> tuple[int, int, int]:
    """Changes when a file of a folder does, appears or goes: how many there are, their bytes, the latest change."""
    stats = [path.stat() for path in sorted(folder.rglob("*")) if path.is_file()]
    return len(stats), sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def _besides(given: list[dict[str, str]], *left_out: str) -> str:
    """The attributes of tags but these, as they stand in a tag."""
    more = {name: value for each in given for name, value in each.items() if name not in left_out}
    return "".join(f' {name}="{value}"' if value else f" {name}" for name, value in more.items())
