"""How much there is to decode in the files of a request, by their headers: a few bytes can stand for gigabytes."""

from collections.abc import Sequence

from heedmap.app.errors import TooLarge
from heedmap.app.settings import REQUEST_PIXELS
from heedmap.model.contract import Request
from heedmap.model.media import pixels_of


def pictures(requests: Sequence[Request]) -> list[bytes]:
    """The pictures among the inputs of some requests."""
    inputs = (request.inputs for request in requests)
    return [one["image"] for one in inputs if not isinstance(one, str) and isinstance(one.get("image"), bytes)]


def check_pixels(pictures: Sequence[bytes]) -> None:
    """Refuse pictures that together have too many pixels, before one is decoded.

    Raises:
        TooLarge: they do.
    """
    pixels = sum(map(pixels_of, pictures))
    if len(pictures) > 1 and pixels > REQUEST_PIXELS:
        raise TooLarge(
            f"the {len(pictures)} pictures have {pixels:,} pixels together, at most {REQUEST_PIXELS:,} are read: send "
            "fewer at once, or scale them down",
            field="inputs",
        )
