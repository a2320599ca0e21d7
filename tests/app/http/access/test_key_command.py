"""`heedmap key`: a key that is printed once, and the line that lets it in."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedmap.app.http.access.commands import cli
from heedmap.app.http.access.keys import Keys, parsed
from heedmap.app.settings import Settings
from heedmap.model.errors import HeedmapError, InputError

NEW = ["new", "--name", "alice", "--scope", "read, admin", "--rate", "9/minute", "--bytes", "1000"]


def test_a_new_key_and_its_line() -> None:
    key, line = CliRunner().invoke(cli, NEW).stdout.splitlines()
    [entry] = parsed(line, Path("keys"))
    assert (entry.name, entry.scopes, entry.rate, entry.bytes) == ("alice", ("read", "admin"), "9/minute", 1000)
    assert key not in line
    assert CliRunner().invoke(cli, ["new"]).stdout.splitlines()[0] != key


def test_a_new_key_goes_into_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    results = [CliRunner().invoke(cli, ["new", "--keys", str(file)]) for _ in range(2)]
    assert file.stat().st_mode & 0o777 == 0o600
    keys = Keys(Settings(keys_file=file))
    for result in results:
        [key] = result.stdout.splitlines()
        entry = keys.find(key.encode())
        assert entry is not None
        assert entry.scopes == ("predict", "read")
        assert f"{file} holds the key {entry.name}" in result.stderr.replace("\n", " ")


def test_a_file_that_ends_without_a_newline_is_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    CliRunner().invoke(cli, ["new", "--keys", str(file)])
    file.write_text(file.read_text().rstrip())
    CliRunner().invoke(cli, ["new", "--keys", str(file)])
    assert len(parsed(file.read_text(), file)) == 2


def test_a_name_that_is_taken_adds_nothing_and_prints_no_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    CliRunner().invoke(cli, [*NEW, "--keys", str(file)])
    before = file.read_text()
    again = CliRunner().invoke(cli, [*NEW, "--keys", str(file)])
    assert isinstance(again.exception, HeedmapError)
    assert (again.stdout, file.read_text()) == ("", before)


def test_a_key_that_there_is_gets_a_line_too(tmp_path: Path) -> None:
    key, file = "given-0123456789", tmp_path / "keys"
    file.write_text(CliRunner().invoke(cli, ["hash", "--name", "old"], input=f"{key}\n").stdout)
    hashed = Keys(Settings(keys_file=file)).find(key.encode())
    plain = Keys(Settings(api_keys=key)).find(key.encode())  # type: ignore[arg-type]
    assert hashed is not None
    assert plain is not None
    assert hashed.owner == plain.owner


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "--scope", "write"], "--scope: .*'predict', 'read' or 'admin'"),
        (["new", "--scope", ""], "--scope: "),
        (["new", "--rate", "often"], "--rate: a rate reads like 120/minute"),
        (["new", "--name", "a\nb"], "--name: "),
        (["hash"], "the key has 0 characters: a key has at least 16"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(cli, arguments, input="", catch_exceptions=False)
