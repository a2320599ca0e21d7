"""`heedmap site`: traces as a folder of pages that any web host serves, and that open from disk."""

from pathlib import Path
from typing import Annotated

import typer

from heedmap.model.errors import InputError


def site(
    folder: Annotated[Path, typer.Argument(help="Where the pages go; made where it is not there.")],
    traces: Annotated[list[Path], typer.Argument(help="Trace files, as Trace.save and the service write them.")],
    title: Annotated[str, typer.Option(help="What the list of them is headed by.")] = "Heedmap",
    plotly: Annotated[
        bool | None,
        typer.Option(
            help="Put Plotly into every page, two thirds of a megabyte. [default: where a map is too long without]"
        ),
    ] = None,
) -> None:
    """Write a page for each trace, with the explorer and every head in it, and an index.html that lists them.

    A page is named after its trace's file, and takes the place of one of that name. Other files of the folder stay.
    """
    from heedmap.app.render.gallery import entry, index, names
    from heedmap.model.errors import TraceError
    from heedmap.model.page.trace_page import trace_page
    from heedmap.model.whole_file import whole_file

    for trace in traces:
        if not trace.is_file():
            raise InputError(f"there is no file {trace}")
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for trace, name in zip(traces, names(trace.stem for trace in traces), strict=True):
        content = trace.read_bytes()
        try:
            page = trace_page(content, plotly=plotly)
            entries.append(entry(name, content, len(page)))
        except TraceError as error:
            raise InputError(f"{trace}: {error}") from error
        with whole_file(folder / name) as file:
            file.write(page)
    with whole_file(folder / "index.html") as file:
        file.write(index(entries, title))
    typer.echo(f"{folder / 'index.html'} lists {len(entries)} trace{'' if len(entries) == 1 else 's'}")
