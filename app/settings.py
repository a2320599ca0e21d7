"""What an operator can set: arguments of `heedmap serve`, or HEEDMAP_* in the environment.

The limits are named constants with their reason; those that depend on the machine are settings whose default they are.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

WEIGHTS = Path(__file__).resolve().parent.parent / "model" / "weights"
STATIC = Path(__file__).resolve().parent.parent / "static"

IMAGE_BYTES = 16 << 20  # what a camera of 48 million pixels writes as JPEG; models look at a twentieth of that
REQUEST_PIXELS = 100_000_000  # of all pictures of a request: two of the largest, eight of a telephone; 4 s of decoding
AUDIO_BYTES = 24 << 20  # two minutes, the longest that is heard, at a CD's rate in stereo: 21 million, and some room
FILE_BYTES = {"image": IMAGE_BYTES, "audio": AUDIO_BYTES}
BODY_BYTES = 34 << 20  # the longest recording as base64, which is a third longer, and 2 MiB for what stands beside it
BODY_VALUES = 4 << 20  # values in a JSON body: 8 MiB of numbers, which take thirty times that once they are read
RESPONSE_BYTES = 32 << 20  # what a browser parses in about a second; a larger map is fetched in windows
BATCH_INPUTS = 64  # inputs in one request: a full batch, so that no caller holds the device for long
TEXT_CHARACTERS = 200_000  # over any model's positions by far, and tokenized in well under a second
SENTENCES = 256  # of one comparison: they are one batch of the model's
MESSAGES = 256  # of a chat: more than any model has positions for
MAPS_PER_REQUEST = 64  # entries of "attention": every layer of every site of a deep model, each with head "all"
THUMBNAIL_SIZES = (16, 64)  # pixels a side: under 16 nothing is told apart, over 64 the map itself is the better route
TILES_PER_REQUEST = 64  # a screen of 2,048 x 2,048 blocks, 4 MiB
QUEUE = 512  # waiting calls: what decides is whether they can be answered in time, and this bounds what they hold
BATCH = 64  # sequences decoded together: throughput is nearly flat above, latency is not
DEADLINE = 60.0  # seconds: about what proxies allow by default
JOB_SECONDS = 3600.0  # of a job: a corpus on a CPU; whoever has more posts it in parts
HEAD_SECONDS = 10.0  # for a request's address and headers, and for a connection's first request to begin
BODY_SECONDS = 10.0  # after which a body must have come in at a kilobyte a second, and again after every so many
ANSWER_SECONDS = 30.0  # without a byte read, until an answer is given up: a tunnel is mostly shorter
CONNECTIONS = 900  # at once: under the thousand open files that a process mostly may have
HANG = 120.0  # seconds without a sign of progress: the longest step between two signs takes a few on a slow CPU
GRACE = 10.0  # seconds from SIGTERM to the end: what container runtimes allow before they kill
TRACE_BYTES = 4 << 30  # on disk: ten thousand traces of a sentence, a thousand of 512 tokens
MEMORY_BYTES = 256 << 20  # of traces in memory: a session's hundred latest, beside models of a few hundred MB
KEY_CHARACTERS = 16  # of an API key: 95 bits where they are random, which nobody guesses
OBJECT_STORES = ("s3", "gs", "az", "file", "memory")
TRACE_DAYS = 30.0  # a link in a message or notebook lives that long after its last use

VARIABLES = "HEEDMAP_"
CLIENT_VARIABLES = ("HEEDMAP_API_KEY",)  # what `heedmap predict` reads
KUBERNETES = re.compile(r"HEEDMAP_(?:SERVICE_(?:HOST|PORT).*|PORT_\d+_.*)")  # set for a Service of the name heedmap
HOST_PATTERN = re.compile(r"\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:]+:[0-9a-f:.]*")
ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+", re.IGNORECASE)


def checked_rate(value: str | None) -> str | None:
    """A rate that can be counted, or none.

    Raises:
        ValueError: it does not read like one.
    """
    from limits import parse_many

    if value:
        try:
            parse_many(value)
        except ValueError as error:
            raise ValueError("a rate reads like 120/minute, or several apart by semicolons") from error
    return value or None


def checked_key(key: str, name: str) -> str:
    """A key that nobody guesses and every header carries.

    Raises:
        ValueError: it is none.
    """
    if len(key) < KEY_CHARACTERS or re.search(r"[^!-~]", key):
        raise ValueError(
            f"{name} has {len(key)} characters: a key has at least {KEY_CHARACTERS}, all of them printable ASCII and "
            "none a space; heedmap key new prints a good one"
        )
    return key


def _root_path(value: str) -> str:
    from heedmap.app.root_path import SEGMENTS

    path = value.rstrip("/")
    if path and not SEGMENTS.fullmatch(path):
        raise ValueError("a root path starts with a slash and has plain segments, such as /heedmap or /tools/heedmap")
    return path


def _place(value: Any) -> Any:
    """A folder, or the address of an object store as it is: a path would lose one of its slashes."""
    if isinstance(value, str) and "://" in value:
        scheme = value.partition("://")[0]
        if scheme not in OBJECT_STORES:
            raise ValueError(f"traces are kept in a folder or in one of {', '.join(OBJECT_STORES)}, not in {scheme}://")
        return value
    return Path(value) if isinstance(value, str) else value


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

    model_config = SettingsConfigDict(env_prefix=VARIABLES, extra="ignore", frozen=True, hide_input_in_errors=True)

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
        "PATH_OR_HUB_ID[@REVISION][?task=...&dtype=...&adapter=...]; name=BASE?adapter=PATH merges a PEFT adapter, "
        "device_map=auto spreads a model over all devices, host memory and disk, quantize=int8 keeps weights in bytes.",
    )
    load: Literal["start", "first-use"] = Field("start", description="When models are loaded.")
    model_bytes: Annotated[int, BeforeValidator(_unlimited)] = Field(
        0, ge=0, description="Weights kept in memory; over this the least recently used model is let go. 0: no limit."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto takes CUDA where there is one.")
    traces: Annotated[Path | str, BeforeValidator(_place)] = Field(
        default_factory=lambda: Path.home() / ".cache" / "heedmap" / "traces",
        description="The folder of trace files; or an object store such as s3://bucket/prefix, for many hosts.",
    )
    trace_cache: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "heedmap" / "cache",
        description="Where traces are in an object store: the folder of this host's copies.",
    )
    trace_bytes: int = Field(TRACE_BYTES, ge=0, description="Over this the least recently used trace files go.")
    trace_days: float = Field(TRACE_DAYS, gt=0, description="A trace unused for so long expires.")
    device_trace_bytes: int | None = Field(
        None,
        description="Traces kept in the accelerator's memory, where they were computed, the least recently used going "
        "first; a quarter of what is free unless given.",
    )
    memory_bytes: int = Field(MEMORY_BYTES, ge=0, description="Opened traces kept in memory.")
    queue: int = Field(QUEUE, ge=1, description="Calls that may wait for the device.")
    batch: int = Field(BATCH, ge=1, description="Sequences decoded together.")
    deadline: float = Field(DEADLINE, gt=0, description="Seconds until a call is given up.")
    job_seconds: float = Field(JOB_SECONDS, gt=0, description="Seconds until a job is given up.")
    head_seconds: float = Field(HEAD_SECONDS, gt=0, description="Seconds until a request's headers must be here.")
    body_seconds: float = Field(BODY_SECONDS, gt=0, description="Seconds of grace for a body that comes in slowly.")
    answer_seconds: float = Field(
        ANSWER_SECONDS, gt=0, description="Seconds without a byte read until an answer is given up."
    )
    connections: int = Field(CONNECTIONS, ge=1, description="Connections at once.")
    hang: float = Field(HANG, gt=0, description="Seconds without progress after which a worker counts as hung.")
    grace: float = Field(GRACE, ge=3, description="Seconds from the signal to stop until the process has ended.")
    body_bytes: int = Field(BODY_BYTES, ge=1024, description="The largest request body.")
    response_bytes: int = Field(RESPONSE_BYTES, ge=1024, description="The largest response made of maps.")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Keys apart by commas, which may do everything; with any set, every /v1 request needs one."
    )
    keys_file: Path | None = Field(
        None, description="A file of hashed keys with their scopes, as `heedmap key new` writes it."
    )
    open: bool = Field(False, description="Serve other machines without any key, on purpose.")
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Names apart by commas under which the service is asked, such as heedmap.example.com or "
        "*.example.com, besides this machine's own; all (*) where other machines can reach it, unless given.",
    )
    proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks apart by commas of proxies whose X-Forwarded-For is believed."
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="A port for /metrics alone, which needs no key; the other one then has none."
    )
    telemetry: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+\S*$",
        description="An OpenTelemetry collector that takes spans by OTLP over HTTP, such as http://localhost:4318; "
        "OTEL_* variables say the rest.",
    )
    head_signals: float = Field(
        0.0,
        ge=0,
        le=1,
        description="The share of recorded traces whose heads' sink mass and entropy are measured for /metrics, while "
        "nobody waits; 0 is off.",
    )
    rate: Annotated[str | None, AfterValidator(checked_rate)] = Field(
        None,
        description="Requests a key, or without keys an address, may make, such as 120/minute; unlimited by default.",
    )
    origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins apart by commas whose pages may call the API (CORS); none by default."
    )
    explorer: Literal["joined", "plain"] = Field("joined", description="The page: few joined files, or static/'s own.")
    log: Literal["json", "console"] = Field("console", description="Log lines for machines or for people.")

    @property
    def trace_folder(self) -> Path:
        """The folder of trace files on this host, whatever is behind it."""
        return self.traces if isinstance(self.traces, Path) else self.trace_cache

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

    @field_validator("api_keys", "origins", "hosts", "proxies", mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        """Parts apart by commas, none of them empty."""
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(parts):
            raise ValueError(
                "an entry is empty: give values apart by commas, or do not set it at all"
                if len(parts) > 1
                else "it is set, but empty: give it a value, or do not set it at all"
            )
        return parts

    @field_validator("device_trace_bytes")
    @classmethod
    def _check_device_traces(cls, value: int | None) -> int | None:
        if value is not None and value <= 0:
            raise ValueError("it is over 0, such as 8000000000; leave it out for a quarter of the accelerator's memory")
        return value

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, 1):
            checked_key(key.get_secret_value(), f"key {number}")
        return keys

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(host.lower().removeprefix("[").removesuffix("]").rstrip(".") for host in hosts)
        for name in names:
            if not HOST_PATTERN.fullmatch(name):
                raise ValueError(
                    f"{name[:100]!r} is no host: give names without scheme and port, such as heedmap.example.com, "
                    "*.example.com, 192.0.2.7 or [2001:db8::7], or * for every one"
                )
        return names

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin[:100]!r} is no origin: it has a scheme and a host, perhaps a port, and no path, such as "
                    "https://notebooks.example.com"
                )
        return origins

    @field_validator("proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ValueError(
                    f"{proxy[:100]!r} is neither an address nor a network: name the proxy as 10.0.0.7 or 10.0.0.0/24"
                ) from error
        return proxies


def check_variables(environment: Mapping[str, str]) -> None:
    """Find a variable that is meant for the service and that it does not know: who mistyped one must hear of it.

    Raises:
        ValueError: there is one; with the name that it resembles.
    """
    known = [VARIABLES + name.upper() for name in Settings.model_fields]
    for name in sorted(variable.upper() for variable in environment if variable.upper().startswith(VARIABLES)):
        if name in known or name in CLIENT_VARIABLES:
            continue
        if KUBERNETES.fullmatch(name):
            raise ValueError(f"{name} comes from Kubernetes: set enableServiceLinks to false in the pod")
        near = get_close_matches(name.removeprefix(VARIABLES), [each.removeprefix(VARIABLES) for each in known], n=1)
        advice = f"did you mean {VARIABLES}{near[0]}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"{name} is no setting; {advice}")
