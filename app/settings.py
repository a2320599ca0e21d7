"""What an operator can set: arguments of `heedmap serve`, or HEEDMAP_* in the environment.

The limits are named constants with their reason; those that depend on the machine are settings whose default they are.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

WEIGHTS = Path(__file__).resolve().parent.parent / "model" / "weights"
STATIC = Path(__file__).resolve().parent.parent / "static"

IMAGE_BYTES = 16 << 20  # what a camera of 48 million pixels writes as JPEG; models look at a twentieth of that
AUDIO_BYTES = 24 << 20  # two minutes, the longest that is heard, at a CD's rate in stereo: 21 million, and some room
FILE_BYTES = {"image": IMAGE_BYTES, "audio": AUDIO_BYTES}
BODY_BYTES = 34 << 20  # the longest recording as base64, which is a third longer, and 2 MiB for what stands beside it
BODY_VALUES = 4 << 20  # values in a JSON body: 8 MiB of numbers, which take thirty times that once they are read
RESPONSE_BYTES = 32 << 20  # what a browser parses in about a second; a larger map is fetched in windows
BATCH_INPUTS = 64  # inputs in one request: two full batches, so that no caller holds the device for long
TEXT_CHARACTERS = 200_000  # over any model's positions by far, and tokenized in well under a second
SENTENCES = 256  # of one comparison: they are one batch of the model's
MESSAGES = 256  # of a chat: more than any model has positions for
MAPS_PER_REQUEST = 64  # entries of "attention": every layer of every site of a deep model, each with head "all"
THUMBNAIL_SIZES = (16, 64)  # pixels a side: under 16 nothing is told apart, over 64 the map itself is the better route
TILES_PER_REQUEST = 64  # a screen of 2,048 x 2,048 blocks, 4 MiB
HEADER_LABELS = 64  # tick labels on an axis of a figure: more overlap at 1,000 pixels
QUEUE = 256  # waiting calls: at 20 ms a batch of 32 the last of them is answered well inside the deadline
BATCH = 32  # sequences decoded together: throughput is nearly flat above, latency is not
DEADLINE = 60.0  # seconds: about what proxies allow by default
HANG = 120.0  # seconds without a sign of progress: the longest step between two signs takes a few on a slow CPU
GRACE = 10.0  # seconds from SIGTERM to the end: what container runtimes allow before they kill
TRACE_BYTES = 4 << 30  # on disk: ten thousand traces of a sentence, a thousand of 512 tokens
MEMORY_BYTES = 256 << 20  # of traces in memory: a session's hundred latest, beside models of a few hundred MB
TRACE_DAYS = 30.0  # a link in a message or notebook lives that long after its last use


def _rate(value: str | None) -> str | None:
    from limits import parse_many

    if value:
        try:
            parse_many(value)
        except ValueError as error:
            raise ValueError("a rate reads like 120/minute, or several apart by semicolons") from error
    return value or None


def _root_path(value: str) -> str:
    from heedmap.app.root_path import SEGMENTS

    path = value.rstrip("/")
    if path and not SEGMENTS.fullmatch(path):
        raise ValueError("a root path starts with a slash and has plain segments, such as /heedmap or /tools/heedmap")
    return path


def _unlimited(value: Any) -> Any:
    """0 for none: without a limit."""
    return 0 if isinstance(value, str) and value.strip().lower() in ("none", "") else value


def _check_name(name: str) -> None:
    """A model's name is a part of addresses, which clients and proxies tidy up before they send them."""
    steps = name.split("/")
    if not name.isprintable() or any(sign in name for sign in "?#\\") or any(step in ("", ".", "..") for step in steps):
        raise ValueError(
            f"{name[:100]!r} cannot be a model's name: it may hold anything printable but ?, # and \\, and where it "
            "has a / there must be something on both sides, such as org/name"
        )


class Settings(BaseSettings):
    """The service's settings, from the environment unless given."""

    model_config = SettingsConfigDict(env_prefix="HEEDMAP_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 takes any free one.")
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        "",
        description="The path under which a proxy serves the service and which it strips, such as /heedmap; "
        "unless set, X-Forwarded-Prefix names it.",
    )
    models: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=lambda: {"de-en": str(WEIGHTS / "de-en")},
        description="name=source pairs apart by commas, the first the default of a page; a source is "
        "PATH_OR_HUB_ID[@REVISION][?task=...&dtype=...].",
    )
    load: Literal["start", "first-use"] = Field("start", description="When models are loaded.")
    model_bytes: Annotated[int, BeforeValidator(_unlimited)] = Field(
        0, ge=0, description="Weights kept in memory; over this the least recently used model is let go. 0: no limit."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto takes CUDA where there is one.")
    traces: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "heedmap" / "traces", description="The folder of trace files."
    )
    trace_bytes: int = Field(
        TRACE_BYTES, ge=0, description="Trace files over this are evicted, least recently used first."
    )
    trace_days: float = Field(TRACE_DAYS, gt=0, description="A trace unused for so long expires.")
    memory_bytes: int = Field(MEMORY_BYTES, ge=0, description="Opened traces kept in memory.")
    queue: int = Field(QUEUE, ge=1, description="Calls that may wait for the device.")
    batch: int = Field(BATCH, ge=1, description="Sequences decoded together.")
    deadline: float = Field(DEADLINE, gt=0, description="Seconds until a call is given up.")
    hang: float = Field(HANG, gt=0, description="Seconds without progress after which a worker counts as hung.")
    grace: float = Field(GRACE, ge=3, description="Seconds from the signal to stop until the process has ended.")
    body_bytes: int = Field(BODY_BYTES, ge=1024, description="The largest request body.")
    response_bytes: int = Field(RESPONSE_BYTES, ge=1024, description="The largest response made of maps.")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Keys apart by commas; with any set, every /v1 request needs one."
    )
    rate: Annotated[str | None, AfterValidator(_rate)] = Field(
        None, description="Requests a caller may make, such as 120/minute; unlimited by default."
    )
    origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins apart by commas whose pages may call the API (CORS); none by default."
    )
    log: Literal["json", "console"] = Field("console", description="Log lines for machines or for people.")

    @field_validator("models", mode="before")
    @classmethod
    def _read_models(cls, value: Any) -> Any:
        """`a=path,b=path`, or a list of such pairs."""
        if isinstance(value, str):
            value = [part for part in value.split(",") if part.strip()]
        if not isinstance(value, dict):
            pairs = [str(part).partition("=") for part in value]
            if any(not name.strip() or not path.strip() for name, _, path in pairs):
                raise ValueError(
                    "models are name=source pairs, such as de-en=model/weights/de-en or bert=org/name@revision"
                )
            if len({name.strip() for name, _, _ in pairs}) < len(pairs):
                raise ValueError("two models have the same name")
            value = {name.strip(): path.strip() for name, _, path in pairs}
        if not value:
            raise ValueError("at least one model must be served")
        for name in value:
            _check_name(str(name))
        return value

    @field_validator("api_keys", "origins", mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        """Parts apart by commas."""
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
