"""API keys: hashed in a file, or plain in the environment; the file is read again when it changes.

A key is random and long, so that one SHA-256 keeps it as well as a slow hash would. The hash begins with words of ours,
and its first half names the folder of the key's traces: a key owns the same traces whether it stands in the environment
or, hashed, in a file.

A file holds one JSON object a line; empty lines and lines that start with # are passed over:

    {"name": "alice", "hash": "sha256:...", "scopes": ["predict", "read"], "rate": "120/minute", "bytes": 2000000000}
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from heedmap.app.settings import Settings, checked_rate
from heedmap.model.errors import HeedmapError

Scope = Literal["predict", "read", "admin"]
SCOPES: tuple[Scope, ...] = ("predict", "read", "admin")
PREFIX = "hm_"  # so that a key is known for one wherever it turns up
RANDOM_BYTES = 32
DOMAIN = b"heedmap owner "  # what a key's hash begins with: nobody's table of hashes holds it
RELOAD_SECONDS = 1.0  # between two looks at the key file: a key that is taken back works no longer than that

log = structlog.get_logger("heedmap")


class KeysError(HeedmapError):
    """A key file that cannot be used."""


class Key(BaseModel):
    """What a key may do; the key itself is nowhere kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    rate: Annotated[str | None, AfterValidator(checked_rate)] = None  # the service's own unless given
    bytes: Annotated[int | None, Field(ge=0)] = None  # of its stored traces in all; without a limit unless given

    @property
    def owner(self) -> str:
        """The name of the folder of its traces."""
        return self.hash.partition(":")[2][:32]


def new_key() -> str:
    """A key that nobody guesses."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def hash_of(key: bytes) -> str:
    """What is kept of a key."""
    return "sha256:" + hashlib.sha256(DOMAIN + key).hexdigest()


def line_of(key: Key) -> str:
    """The key's line in a key file."""
    return json.dumps(key.model_dump(exclude_none=True), ensure_ascii=False)


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a key file.

    Raises:
        KeysError: it cannot be read, a line is no key, or two keys have the same name or hash.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise KeysError(
            f"keys: {path} cannot be read ({reason}); heedmap key new --keys {path} makes a key there", field="keys"
        ) from error
    return parsed(text, path)


def parsed(text: str, path: Path) -> tuple[Key, ...]:
    """The keys of a key file's text.

    Raises:
        KeysError: a line is no key, or two keys have the same name or hash.
    """
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            keys.append(Key.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise KeysError(
                f"keys: {path} line {number}: {place + ': ' if place else ''}{first['msg']}; a line is a JSON object "
                "with name, hash, scopes, and where wanted rate and bytes, as heedmap key new prints it",
                field="keys",
            ) from error
    for what in ("name", "hash"):
        values = [getattr(key, what) for key in keys]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise KeysError(f"keys: {path} holds the {what} {twice} twice; remove one of the lines", field="keys")
    return tuple(keys)


class Keys:
    """The keys of the environment and of the key file, as it now is."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        plain = [key.get_secret_value().encode() for key in settings.api_keys]
        self._plain = {
            hash_of(key): Key(name=f"environment-{number}", hash=hash_of(key), scopes=SCOPES)
            for number, key in enumerate(plain, 1)
        }
        self._path, self._clock = settings.keys_file, clock
        self._keys = self._plain
        if self._path is not None:
            self._version, self._looked = self._stat(self._path), clock()
            of_file = read_keys(self._path)
            if not of_file and not self._plain:
                raise KeysError(
                    f"keys: {self._path} holds no key; heedmap key new --keys {self._path} makes one", field="keys"
                )
            self._take(of_file)

    @property
    def required(self) -> bool:
        """Whether callers need a key; a key file that holds none any more lets nobody in."""
        return self._path is not None or bool(self._plain)

    def find(self, sent: bytes) -> Key | None:
        """The key that was sent, where it is one; takes the same time whichever it is."""
        self._reload()
        digest, match = hash_of(sent), None
        for key in self._keys.values():
            if hmac.compare_digest(key.hash, digest):
                match = key
        return match

    def _take(self, of_file: tuple[Key, ...]) -> None:
        self._keys = self._plain | {key.hash: key for key in of_file}  # a line may narrow what the environment grants

    def _reload(self) -> None:
        """Read the file again where it has changed; one that is broken changes nothing."""
        if self._path is None or self._clock() - self._looked < RELOAD_SECONDS:
            return
        self._looked = self._clock()
        version = self._stat(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._take(read_keys(self._path))
        except KeysError as error:
            log.error("keys_unreadable", reason=str(error), advice="the keys from before it changed go on")
        else:
            log.info("keys_reloaded", keys=len(self._keys))

    @staticmethod
    def _stat(path: Path) -> tuple[int, int, int] | None:
        try:
            stat = path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
