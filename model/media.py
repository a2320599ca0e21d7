"""Pictures and recordings as callers send them, decoded in memory, within limits that hold before anything is decoded.

A few bytes can stand for gigabytes: a PNG of one colour, a FLAC of silence. So the header's size is checked first, then
as much is decoded as the limit allows, and never more.
"""

import io
import wave
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps

from heedmap.model.errors import EmptyInput, InputError, InputTooLong, ParameterError
from heedmap.model.messages import apart, library_message

IMAGE_PIXELS = 50_000_000  # 150 MB in RGB; cameras make up to 48 million, and models look at under two
IMAGE_ASPECT = 200.0  # long side to short: with the short side scaled to 224, ten million pixels; Qwen2-VL's limit too
AUDIO_SECONDS = 120.0  # wav2vec2's first convolution makes 6.5 MB of a second: 800 MB of two minutes
RATES = (1_000, 384_000)  # samples a second: from below the telephone's to the highest of studios
BLOCK = 1 << 16  # samples decoded at a time, all channels of a moment as one

# What is opened, and nothing else: some of Pillow's other formats run programs (EPS), and all are more code to attack.
PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
RECORDINGS = ((0, b"RIFF"), (0, b"RF64"), (0, b"fLaC"), (0, b"OggS"), (0, b"FORM"), (0, b".snd"), (0, b"ID3"))
MPEG_FRAMES = range(0xE0, 0x100)  # the second byte of an MP3 without a tag; the first is 0xFF
DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
READABLE = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")


def open_image(data: bytes, pixels: int = IMAGE_PIXELS, field: str = "inputs.image") -> Image.Image:
    """The picture in a file, upright and in RGB: its first frame, what is transparent over white, 16 bits as 8.

    pixels: the most that are decoded.

    Raises:
        EmptyInput: there are no bytes.
        InputTooLong: the header tells of more pixels.
        ParameterError: the bytes are no picture, a broken or a threadlike one, or one of a kind that is not read.
    """
    if not data:
        raise EmptyInput("the image has no bytes", field=field)
    try:
        picture = _recognise(data)
    except Exception as error:  # Pillow's readers raise whatever a broken header leads them to
        raise ParameterError(f"the image cannot be read: {library_message(error)}", field=field) from error
    if picture is None:
        kind = "SVG is a drawing, not pixels" if _is_svg(data) else "these bytes are of no format that is read"
        raise ParameterError(f"{kind}; give one of {', '.join(PICTURES)}", field=field)
    width, height = picture.size
    if width * height > pixels:
        raise InputTooLong(
            f"the image has {width:,} x {height:,} pixels, at most {pixels:,} are read: scale it down", field=field
        )
    if max(width, height) > IMAGE_ASPECT * min(width, height):
        raise ParameterError(
            f"the image has {width:,} x {height:,} pixels; its long side may be {IMAGE_ASPECT:.0f} times the short one",
            field=field,
        )
    try:
        picture.load()
        picture = _upright(picture)
        if picture.mode not in READABLE and picture.mode not in DEEP:
            raise ValueError(
                f"its pixels are of kind {picture.mode}; save it with 8 or 16 bits a channel, as RGB or grey"
            )
        return _rgb(picture)
    except Exception as error:  # as above; a truncated file is an OSError, a broken one anything
        raise ParameterError(f"the image cannot be decoded: {library_message(error)}", field=field) from error


def pixels_of(data: bytes) -> int:
    """The pixels that a picture's header tells of, before any is decoded; 0 where the bytes are no picture."""
    try:
        picture = _recognise(data)
    except Exception:  # as above; `open_image` says what is wrong
        return 0
    return 0 if picture is None else picture.size[0] * picture.size[1]


def open_audio(
    data: bytes,
    rate: int,
    seconds: float = AUDIO_SECONDS,
    field: str = "inputs.audio",
    model_seconds: float | None = None,
) -> Float[np.ndarray, "samples"]:
    """The recording in a file: the mean of its channels, resampled to `rate` samples a second, float32 in [-1, 1].

    seconds: the longest recording that is decoded. model_seconds: what the model hears at once, where it has a limit.

    Raises:
        EmptyInput: there are no bytes, or no samples.
        InputTooLong: the recording is longer, by its header or, where that lies, by its samples.
        ParameterError: the bytes are no recording, a broken one, or one with samples that are no numbers.
    """
    import soundfile
    import soxr

    if not data:
        raise EmptyInput("the recording has no bytes", field=field)
    if not any(data.startswith(magic, at) for at, magic in RECORDINGS) and not _is_mpeg(data):
        raise ParameterError(
            "these bytes are of no audio format that is read; give WAV, FLAC, Ogg (Vorbis or Opus), MP3, AIFF or AU",
            field=field,
        )
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            sample_rate = file.samplerate
            if not RATES[0] <= sample_rate <= RATES[1]:
                raise ParameterError(
                    f"the recording has {sample_rate:,} samples a second; {RATES[0]:,} to {RATES[1]:,} are read",
                    field=field,
                )
            most = seconds if model_seconds is None else min(seconds, model_seconds)
            if file.frames > most * sample_rate:
                raise too_long(file.frames / sample_rate, seconds, model_seconds, field)
            samples = _decode(file, int(most * sample_rate))
    except soundfile.SoundFileError as error:
        raise ParameterError(f"the recording cannot be decoded: {library_message(error)}", field=field) from error
    if len(samples) > most * sample_rate:
        raise too_long(len(samples) / sample_rate, seconds, model_seconds, field)
    if not len(samples):
        raise EmptyInput("the recording has no samples", field=field)
    if not np.isfinite(samples).all():
        raise ParameterError("the recording has samples that are not finite numbers", field=field)
    if sample_rate != rate:
        samples = soxr.resample(samples, sample_rate, rate)
    if not len(samples):
        raise EmptyInput("the recording is shorter than one sample of the model's", field=field)
    return np.ascontiguousarray(samples, dtype=np.float32)


def example_image() -> bytes:
    """A small picture to try a model on: a red disc on a blue ground above a green one, as PNG."""
    y, x = np.mgrid[:160, :240]
    pixels = np.empty((160, 240, 3), dtype=np.uint8)
    pixels[y < 100], pixels[y >= 100] = (60, 120, 200), (60, 150, 70)
    pixels[(x - 90) ** 2 + (y - 70) ** 2 < 45**2] = (210, 50, 40)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def example_audio(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    """A recording to try a model on: a tone that rises from 200 to 1,000 Hz, as WAV."""
    times = np.arange(int(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * (200 + 400 * times / seconds) * times)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((tone * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def _recognise(data: bytes) -> Any:
    """The opened file, its header read and no pixel decoded; None if it begins like none of `PICTURES`.

    Not `Image.open`, which on a large header warns through the process's own filters before anyone can ask the size.
    """
    Image.init()
    for name in PICTURES:
        if name not in Image.OPEN:  # a build of Pillow without that codec
            continue
        factory, accept = Image.OPEN[name]
        if accept is None or accept(data[:16]) is True:
            return factory(io.BytesIO(data), "")
    return None


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF says; a picture is not refused because its camera wrote nonsense there."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # whatever nonsense leads to
        return picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in DEEP:
        return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")


def _decode(file: Any, most: int) -> Float[np.ndarray, "samples"]:
    """The mean of the channels, until the file ends or there is more than `most`."""
    parts: list[np.ndarray] = []
    size = max(1, BLOCK // file.channels)
    total = 0
    while total <= most:
        block = file.read(size, dtype="float32", always_2d=True)
        if not len(block):
            break
        parts.append(block.mean(axis=1))
        total += len(block)
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def too_long(length: float, seconds: float, model_seconds: float | None, field: str) -> InputError:
    """The error that says how long a recording is, and how long it may be: all lengths in seconds."""
    if model_seconds is not None and model_seconds <= seconds:
        lasts, most = apart(length, model_seconds)
        limit = f"the model hears {most} s at once: cut it into parts of that length"
    else:
        lasts, most = apart(length, seconds)
        limit = f"at most {most} s are read: cut it"
    return InputTooLong(f"the recording lasts {lasts} s, {limit}", field=field)


def _is_svg(data: bytes) -> bool:
    return b"<svg" in data[:1024].lower()


def _is_mpeg(data: bytes) -> bool:
    return len(data) > 1 and data[0] == 0xFF and data[1] in MPEG_FRAMES
