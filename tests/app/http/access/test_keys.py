"""Keys: hashed in a file that is read again when it changes, or plain in the environment."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from heedmap.app.http.access.keys import RELOAD_SECONDS, Key, Keys, KeysError, hash_of, line_of, new_key, read_keys
from heedmap.app.settings import Settings

ALICE, BOB = "alice-0123456789", "bob-0123456789abc"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def line(key: str, **fields: Any) -> str:
    given = {"name": key.partition("-")[0], "hash": hash_of(key.encode()), "scopes": ["read"], **fields}
    return line_of(Key.model_validate(given))


def write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{each}\n" for each in lines))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "keys", ["# who may ask", "", line(ALICE)])


def test_a_hash_is_pinned_and_its_first_half_owns_the_traces() -> None:
    digest = hashlib.sha256(b"heedmap owner " + ALICE.encode()).hexdigest()
    assert hash_of(ALICE.encode()) == f"sha256:{digest}"
    assert Key(name="a", hash=f"sha256:{digest}", scopes=("read",)).owner == digest[:32]


def test_a_key_has_the_same_owner_in_the_environment_and_in_a_file(file: Path) -> None:
    plain = Keys(Settings(api_keys=ALICE)).find(ALICE.encode())  # type: ignore[arg-type]
    hashed = Keys(Settings(keys_file=file)).find(ALICE.encode())
    assert plain is not None
    assert hashed is not None
    assert plain.owner == hashed.owner
    assert (plain.scopes, hashed.scopes) == (("predict", "read", "admin"), ("read",))


def test_a_line_narrows_what_the_environment_grants(file: Path) -> None:
    keys = Keys(Settings(keys_file=file, api_keys=f"{ALICE},{BOB}"))  # type: ignore[arg-type]
    found = {name: keys.find(name.encode()) for name in (ALICE, BOB)}
    assert [key and key.scopes for key in found.values()] == [("read",), ("predict", "read", "admin")]


def test_nothing_but_a_key_is_found(file: Path) -> None:
    keys = Keys(Settings(keys_file=file))
    assert keys.required
    for sent in (b"", BOB.encode(), ALICE[:-1].encode(), ALICE.upper().encode(), hash_of(ALICE.encode()).encode()):
        assert keys.find(sent) is None


def test_new_keys_are_long_and_differ() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("hm_") and len(key) == 46 for key in keys)


def test_the_file_is_read_again_when_it_changes(file: Path) -> None:
    clock = Clock()
    keys = Keys(Settings(keys_file=file), clock)
    write(file, [line(BOB)])
    assert keys.find(BOB.encode()) is None, "it is looked at once a second"
    clock.now += RELOAD_SECONDS
    assert keys.find(BOB.encode()) is not None
    assert keys.find(ALICE.encode()) is None


def test_the_last_key_can_be_taken_back(file: Path) -> None:
    clock = Clock()
    keys = Keys(Settings(keys_file=file), clock)
    write(file, ["# nobody"])
    clock.now += RELOAD_SECONDS
    assert keys.find(ALICE.encode()) is None
    assert keys.required, "no key is not everybody's service"


@pytest.mark.parametrize("text", ["{", '{"name": "x"}\n', None], ids=["cut short", "no key", "removed"])
def test_a_file_that_breaks_changes_nothing_and_is_logged_once(file: Path, text: str | None) -> None:
    clock = Clock()
    keys = Keys(Settings(keys_file=file), clock)
    if text is None:
        os.unlink(file)
    else:
        file.write_text(text)
    with capture_logs() as lines:
        for _ in range(3):
            clock.now += RELOAD_SECONDS
            assert keys.find(ALICE.encode()) is not None
    assert [entry["event"] for entry in lines] == ["keys_unreadable"]
    write(file, [line(BOB)])
    clock.now += RELOAD_SECONDS
    assert keys.find(BOB.encode()) is not None, "a file that is mended is read"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["# nobody"], "holds no key; heedmap key new --keys .* makes one"),
        (["alice"], "line 1: .*a line is a JSON object with name, hash, scopes"),
        ([line(ALICE), line(ALICE, name="other")], "holds the hash sha256:.* twice"),
        ([line(ALICE), line(BOB, name="alice")], "holds the name alice twice"),
        ([line(ALICE).replace('"read"', '"write"')], "line 1: scopes.0: "),
        ([line(ALICE).replace('["read"]', "[]")], "line 1: scopes: "),
        ([line(ALICE).replace("sha256:", "md5:")], "line 1: hash: "),
        ([line(ALICE).replace("}", ', "rate": "often"}')], "line 1: rate: .*120/minute"),
        ([line(ALICE).replace("}", ', "bytes": -1}')], "line 1: bytes: "),
        ([line(ALICE).replace("}", ', "quota": 1}')], "line 1: quota: "),
    ],
)
def test_a_file_that_is_not_understood_stops_the_start(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(KeysError, match=message):
        Keys(Settings(keys_file=write(tmp_path / "keys", lines)))


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"cannot be read \(No such file or directory\)"):
        read_keys(tmp_path / "nowhere")
