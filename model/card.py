"""What lies beside a checkpoint: its card, whose front matter is as model hubs have it, and texts to begin with."""

import re
from pathlib import Path
from typing import Any

CARD = "README.md"
EXAMPLES = "examples"  # a folder of texts, pictures or recordings
FILES = {".png": "image", ".wav": "audio", ".flac": "audio"}  # of such an input, by the file's suffix
LONGEST = 100_000  # characters of a card's text that are told: hubs' longest have about half as many
FRONT = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def front_matter(folder: Path) -> dict[str, Any]:
    """The card's metadata, read by huggingface_hub; empty where there is no card, or none that can be read.

    Strangers write cards by hand: a broken one must not keep a sound model from loading.
    """
    card = folder / CARD
    if not card.is_file():
        return {}
    from huggingface_hub import ModelCard  # late: models of our own without a card do without it

    try:
        text = card.read_text(encoding="utf-8-sig", errors="replace")
        read: Any = ModelCard(text, ignore_metadata_errors=True)
        data: dict[str, Any] = read.data.to_dict()
    except Exception:  # YAML has many ways to be wrong, and the library more to say so
        return {}
    return data


def values(folder: Path, name: str) -> list[str]:
    """What the card's metadata has under a name, a single value as a list of one."""
    value = front_matter(folder).get(name)
    entries = value if isinstance(value, list) else [value]
    return [str(one) for one in entries if isinstance(one, str | int | float) and not isinstance(one, bool)]


def licence(folder: Path) -> str | None:
    """The `license:` of the card, as model hubs have it."""
    names = values(folder, "license")
    if names == ["other"]:
        names = values(folder, "license_name") or names
    return ", ".join(names) or None


def card_text(folder: Path) -> str | None:
    """What the card says in Markdown below its front matter; None where there is no card, or nothing in it."""
    try:
        text = (folder / CARD).read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return None
    return FRONT.sub("", text, count=1).strip()[:LONGEST] or None


def examples(folder: Path) -> list[str | dict[str, bytes]]:
    """The example inputs beside a checkpoint, in the order of their names: texts, or files as they are."""
    found: list[str | dict[str, bytes]] = []
    for path in sorted((folder / EXAMPLES).glob("*")):
        if path.suffix == ".txt":
            found.append(path.read_text(encoding="utf-8"))
        elif path.suffix in FILES:
            found.append({FILES[path.suffix]: path.read_bytes()})
    return found
