"""`heedmap key new` and `heedmap key hash`: lines of a key file."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from heedmap.model.errors import InputError

cli = typer.Typer(help="Makes API keys of a service.", no_args_is_help=True)

Name = Annotated[str | None, typer.Option(help="Whose key it is. The start of its hash unless given.")]
Scopes = Annotated[
    str, typer.Option("--scope", help="What it may do, apart by commas: predict (post), read (get), admin (/metrics).")
]
Rate = Annotated[str | None, typer.Option(help="Requests, such as 120/minute. The service's unless given.")]
Bytes = Annotated[
    int | None, typer.Option("--bytes", min=0, help="Of its traces in all. Without a limit unless given.")
]
File = Annotated[
    Path | None,
    typer.Option(
        "--keys", dir_okay=False, metavar="FILE", help="Add the line to this key file instead of printing it."
    ),
]


@cli.command()
def new(
    name: Name = None, scope: Scopes = "predict,read", rate: Rate = None, quota: Bytes = None, keys: File = None
) -> None:
    """Print a new key, this once, and its line for a key file, which holds the key's hash alone."""
    from heedmap.app.http.access.keys import new_key

    key = new_key()
    line = _line(key, name, scope, rate, quota)
    if keys is not None:
        _add(line, keys)
    typer.echo(key)
    if keys is None:
        typer.echo(line)


@cli.command("hash")
def hash_key(
    name: Name = None, scope: Scopes = "predict,read", rate: Rate = None, quota: Bytes = None, keys: File = None
) -> None:
    """Print the line of a key that there is already, read from standard input; its traces stay its own."""
    from heedmap.app.settings import checked_key

    key = sys.stdin.readline().strip()
    try:
        checked_key(key, "the key")
    except ValueError as error:
        raise InputError(str(error)) from error
    line = _line(key, name, scope, rate, quota)
    if keys is None:
        typer.echo(line)
    else:
        _add(line, keys)


def _line(key: str, name: str | None, scope: str, rate: str | None, quota: int | None) -> str:
    from pydantic import ValidationError

    from heedmap.app.http.access.keys import Key, hash_of, line_of

    kept = hash_of(key.encode())
    scopes = [part.strip() for part in scope.split(",")]
    fields: dict[str, Any] = {"name": name or kept[7:15], "hash": kept, "scopes": scopes, "rate": rate, "bytes": quota}
    try:
        return line_of(Key.model_validate(fields))
    except ValidationError as error:
        first = error.errors()[0]
        option = {"scopes": "scope"}.get(str(first["loc"][0]), first["loc"][0])
        raise InputError(f"--{option}: {first['msg'].removeprefix('Value error, ')}") from error


def _add(line: str, file: Path) -> None:
    """To the key file, which nobody else on the machine needs to read."""
    from heedmap.app.http.access.keys import Key, parsed

    with open(file, "a+", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as keys:
        keys.seek(0)
        text = keys.read()
        parsed(text + "\n" + line, file)
        keys.write(("" if not text or text.endswith("\n") else "\n") + line + "\n")
    typer.echo(f"{file} holds the key {Key.model_validate_json(line).name}", err=True)
