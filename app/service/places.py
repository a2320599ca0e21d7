"""What callers may know of where a model lies: hub ids as they are, of this machine's folders the last name alone."""

import re
from pathlib import Path
from urllib.parse import quote

from heedmap.model.errors import CheckpointError
from heedmap.model.hub.load.sources import HUB_ID, Source

# An absolute path in a sentence; not what follows a letter (org/name), a colon or a slash (an address).
PATH = re.compile(r"(?<![\w:/.~-])~?/[^\s'\"`,;:()]*")


def public_source(text: str) -> str:
    """A source as callers see it: PATH_OR_HUB_ID[@REVISION][?options], without the folders above a local one."""
    try:
        source = Source.parse(text)
    except CheckpointError:
        return _public_location(text.partition("?")[0])
    revision = "" if source.revision is None else f"@{source.revision}"
    adapter = None if source.adapter is None else _public_location(source.adapter)
    options = {
        "task": source.task,
        "dtype": source.dtype,
        "adapter": adapter,
        "device_map": source.device_map,
        "quantize": source.quantize,
    }
    query = "&".join(f"{name}={quote(value, safe='/@')}" for name, value in options.items() if value is not None)
    return _public_location(source.location) + revision + (f"?{query}" if query else "")


def public_message(message: str, text: str) -> str:
    """What went wrong with a source, without the folders of this machine; the service's log has the whole sentence."""
    try:
        source = Source.parse(text)
        locations = [place for place in (source.location, source.adapter) if place is not None]
    except CheckpointError:
        locations = [text.partition("?")[0]]
    for location in locations:
        folder = Path(location).expanduser()
        for place in sorted({location, str(folder), str(folder.absolute()), str(folder.resolve())}, key=len)[::-1]:
            if "/" in place and _public_location(location) != location:
                message = message.replace(place.rstrip("/"), _public_location(location))
    return PATH.sub(lambda match: Path(match[0]).name, message)


def _public_location(location: str) -> str:
    """A hub id, or a folder's last name: its real one where it is written as `.` or `..`."""
    folder = Path(location).expanduser()
    if HUB_ID.fullmatch(location.partition("@")[0]) and not folder.exists():
        return location
    return folder.name if folder.name not in ("", "..") else folder.resolve().name
