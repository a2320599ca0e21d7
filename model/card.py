"""What lies beside a checkpoint: its card, whose front matter is as model hubs have it, and texts to begin with."""

from pathlib import Path

CARD = "README.md"
EXAMPLES = "examples"  # a folder of texts


def front_matter(folder: Path) -> dict[str, list[str]]:
    """The plain keys of the card's YAML front matter, each with its values; empty where there is no card.

    A scalar is a list of one, a block or flow list of scalars is a list; what is nested deeper is left out.
    """
    card = folder / CARD
    if not card.is_file():
        return {}
    lines = card.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff").splitlines()
    if lines[:1] != ["---"] or "---" not in lines[1:]:
        return {}
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines[1 : lines.index("---", 1)]:
        item = line.strip()
        if item.startswith("- ") and ":" not in item:
            current.append(_bare(item[2:]))
        elif line[:1].strip() and ":" in line and not line.startswith("#"):
            key, _, value = line.partition(":")
            value = value.strip()
            parts = value[1:-1].split(",") if value.startswith("[") else [value]
            current = found.setdefault(key.strip(), [])
            current += [_bare(part) for part in parts if part.strip()]
    return found


def licence(folder: Path) -> str | None:
    """The `license:` of the card, as model hubs have it."""
    named = front_matter(folder)
    names = named.get("license", [])
    if names == ["other"]:
        names = named.get("license_name", names)
    return ", ".join(names) or None


def _bare(value: str) -> str:
    return value.strip().strip("'\"")


def examples(folder: Path) -> list[str]:
    """The example texts beside a checkpoint, in the order of their names."""
    return [path.read_text(encoding="utf-8") for path in sorted((folder / EXAMPLES).glob("*.txt"))]
