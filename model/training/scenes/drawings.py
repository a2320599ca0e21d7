"""Drawings of things in several styles: out of npm's packages, drawn once by resvg, then kept."""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from heedmap.model.errors import InputError
from heedmap.model.training.scenes.nouns import COLOURS, Noun

SIDE = 64  # pixels of a drawing as it is kept: things in scenes are smaller
GREY = 0.12  # saturation under which a pixel has no hue to change
CACHE = "drawings.npz"

Drawing = UInt8[np.ndarray, "S S 4"]


@dataclass(frozen=True)
class Style:
    """A set of drawings: its archive as npm packs it, and that file's SHA-256."""

    name: str
    package: str
    version: str
    sha256: str

    @property
    def archive(self) -> str:
        """The name that `npm pack` gives the archive."""
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


STYLES = (
    Style("noto", "@iconify-json/noto", "1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
    Style(
        "fluent",
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
    Style(
        "openmoji",
        "@iconify-json/openmoji",
        "1.2.29",
        "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
    ),
)
SEEN, UNSEEN = ("noto", "fluent"), ("openmoji",)  # what trains, and what is asked about alone


def drawings(folder: Path, nouns: Sequence[Noun]) -> dict[str, UInt8[np.ndarray, "N S S 4"]]:
    """Of each style a drawing of each noun, RGBA: those kept in the folder, or drawn of the archives there, and kept.

    Raises:
        InputError: an archive is missing or another one than is named here, or draws none of a noun.
    """
    kept = folder / CACHE
    codes = np.array([noun.code for noun in nouns])
    if kept.is_file():
        with np.load(kept) as file:
            if np.array_equal(file["codes"], codes):
                return {style.name: file[style.name] for style in STYLES}
    drawn = {style.name: np.stack([_draw(svg) for svg in _svgs(folder, style, nouns)]) for style in STYLES}
    aside = kept.with_suffix(".partial")
    with aside.open("wb") as out:
        np.savez_compressed(out, allow_pickle=False, codes=codes, **drawn)
    aside.replace(kept)
    return drawn


def _svgs(folder: Path, style: Style, nouns: Sequence[Noun]) -> list[str]:
    path = folder / style.archive
    if not path.is_file():
        raise InputError(f"there is no {path}: `make data` fetches it")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != style.sha256:
        raise InputError(f"{path} is not {style.package} {style.version} as it is known here: remove it, `make data`")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        icons, names = (_member(archive, name) for name in ("icons.json", "chars.json"))
    svgs = []
    for noun in nouns:
        icon = icons["icons"].get(names.get(noun.code))
        if icon is None:
            raise InputError(f"{style.package} draws no {noun.one} ({noun.code})")
        width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
        svgs.append(
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
        )
    return svgs


def _member(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(f"package/{name}")
    assert file is not None, "the archive is the one whose sum is known"
    return json.load(file)


def _draw(svg: str) -> Drawing:
    import resvg_py  # of training alone

    picture = Image.open(io.BytesIO(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE)))
    return np.asarray(picture.convert("RGBA").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def tinted(drawing: Drawing, colour: int) -> Drawing:
    """The drawing with one hue in the place of those that it has; what is grey, black or white stays."""
    hue = COLOURS[colour][2]
    rgb = drawing[..., :3].astype(np.float32) / 255
    high, low = rgb.max(axis=-1), rgb.min(axis=-1)
    chroma = high - low
    coloured: Bool[np.ndarray, "S S"] = chroma > GREY * np.maximum(high, 1e-6)
    # Kept are each pixel's place between the lightest and the darkest of its drawing, and its lack of chroma.
    value = np.where(coloured, 0.35 + 0.65 * high, high)
    saturation = np.where(coloured, np.clip(1.25 * chroma / np.maximum(high, 1e-6), 0.55, 1.0), 0)
    changed = _rgb(hue, saturation, value)
    mixed = np.where(coloured[..., None], changed, rgb)
    return np.concatenate([np.round(mixed * 255).astype(np.uint8), drawing[..., 3:]], axis=-1)


def _rgb(
    hue: float, saturation: Float[np.ndarray, "S S"], value: Float[np.ndarray, "S S"]
) -> Float[np.ndarray, "S S 3"]:
    """Hue, saturation and value to red, green and blue (Smith 1978)."""
    parts = []
    for offset in (5, 3, 1):
        k = (offset + hue * 6) % 6
        parts.append(value - value * saturation * max(0.0, min(k, 4 - k, 1)))
    return np.stack(parts, axis=-1)
