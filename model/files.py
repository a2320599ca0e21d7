"""What a file of a checkpoint really is, where it is not what its name says: a pointer, a web page, half of itself."""

import json
from pathlib import Path

from heedmap.model.errors import CheckpointError

HEAD = 512  # bytes that tell a file's kind
LFS = b"version https://git-lfs.github.com/spec/"
PAGES = (b"<!doctype html", b"<html", b"<?xml")
HEADER = 8  # bytes of a safetensors file that hold the length of its header, which follows
HEADER_LIMIT = 100_000_000  # bytes; the format's own limit


def refuse_damaged(path: Path) -> None:
    """Refuse a file that stands for another one, or is not all there; one that is not there is left to its reader.

    Raises:
        CheckpointError: says what it is and how to get the real one.
    """
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from error
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(LFS):
        raise CheckpointError(
            f"{path.name} is a Git LFS pointer, not the file that it stands for: run `git lfs pull` in its folder"
        )
    if text.lower().startswith(PAGES):
        raise CheckpointError(
            f"{path.name} is a web page, not the file: it was saved from an address that shows the file or an error; "
            "download the file itself, as `hf download` does"
        )
    if not text:
        raise CheckpointError(f"{path.name} is empty ({len(head)} bytes): it was not fully written; fetch it again")
    if path.suffix == ".safetensors":
        _refuse_short(path, head)


def _refuse_short(path: Path, head: bytes) -> None:
    """Refuse a safetensors file that ends before its header says so; what is none at all is its reader's to refuse."""
    size, length = path.stat().st_size, int.from_bytes(head[:HEADER], "little")
    if head[HEADER : HEADER + 1] != b"{" or length > HEADER_LIMIT:
        return
    needed = HEADER + length
    if size >= needed:
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(needed)[HEADER:])
            needed += max(
                (entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0
            )
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            return
    if size < needed:
        raise CheckpointError(
            f"{path.name} is cut short: it has {size:,} bytes of {needed:,}; copy or download it again"
        )
