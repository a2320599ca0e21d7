"""Decoding what callers send: every kind of picture and recording, and everything that must be refused."""

import io
import warnings
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageCms

from heedmap.model import media
from heedmap.model.errors import EmptyInput, InputTooLong, ParameterError
from heedmap.model.media import open_audio, open_image
from tests.model.hub.media_checkpoints import claimed

RED, BLUE = (200, 30, 40), (10, 60, 220)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def recorded(samples: np.ndarray, rate: int = 16_000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """A recording as a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def two_colours(width: int = 8, height: int = 4) -> Image.Image:
    """Red, and blue in the right half."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("AVIF", {"quality": 100}),
        ("GIF", {}),
    ],
)
def test_pictures_of_every_format_are_read(kind: str, options: dict[str, Any]) -> None:
    picture = open_image(encoded(two_colours(), kind, **options))
    assert picture.mode == "RGB"
    assert picture.size == (8, 4)
    np.testing.assert_allclose(picture.getpixel((1, 1)), RED, atol=12)
    np.testing.assert_allclose(picture.getpixel((6, 1)), BLUE, atol=12)


def test_a_palette_cmyk_grey_and_black_and_white_become_rgb() -> None:
    assert open_image(encoded(two_colours().convert("P", palette=Image.Palette.ADAPTIVE))).getpixel((0, 0)) == RED
    cmyk = open_image(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"))
    assert cmyk.getpixel((0, 0)) == (255, 0, 0)
    assert open_image(encoded(Image.new("L", (4, 4), 77))).getpixel((0, 0)) == (77, 77, 77)
    assert open_image(encoded(Image.new("1", (4, 4), 1))).getpixel((0, 0)) == (255, 255, 255)


def test_what_is_transparent_is_shown_over_white() -> None:
    half = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    half.putpixel((1, 0), (0, 0, 0, 0))
    opened = open_image(encoded(half))
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (255, 255, 255)]
    palette = two_colours().convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    index = palette.getpixel((0, 0))
    told_as_bytes = bytes(0 if colour == index else 255 for colour in range(2))  # Pillow warns of this kind
    image = open_image(encoded(palette, transparency=told_as_bytes))
    assert image.getpixel((0, 0)) == (255, 255, 255)
    np.testing.assert_allclose(image.getpixel((6, 0)), BLUE, atol=2)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    deep = Image.fromarray(np.array([[0, 0x7F80, 0xFFFF]], dtype=np.uint16))
    assert [open_image(encoded(deep, kind)).getpixel((x, 0))[0] for x in range(3)] == [0, 0x7F, 0xFF]


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (5, 3), colour) for colour in (RED, BLUE)]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert open_image(data).getpixel((2, 1)) == RED, kind


def test_a_picture_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees
    opened = open_image(encoded(two_colours(), "JPEG", exif=exif, quality=100))
    assert opened.size == (4, 8)
    np.testing.assert_allclose(opened.getpixel((1, 1)), RED, atol=12)  # the left half is on top now
    np.testing.assert_allclose(opened.getpixel((1, 6)), BLUE, atol=12)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")  # Pillow's note for the log; the picture is whole
def test_nonsense_in_exif_does_not_refuse_a_picture() -> None:
    data = encoded(two_colours(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xffnonsense")
    assert open_image(data).size == (8, 4)


def test_a_bomb_is_refused_by_its_header() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(InputTooLong, match=r"50,000 x 50,000 pixels, at most 50,000,000 are read") as caught:
            open_image(claimed(50_000, 50_000))
    assert caught.value.field == "inputs.image"
    assert warned == []


def test_the_pixel_cap_comes_before_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: Any) -> None:
        raise AssertionError("pixels were decoded")

    data = encoded(two_colours(20, 10))
    assert open_image(data, pixels=200).size == (20, 10)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(InputTooLong):
        open_image(data, pixels=199)


def test_a_threadlike_picture_is_refused() -> None:
    assert open_image(encoded(Image.new("RGB", (1, 200)))).size == (1, 200)
    with pytest.raises(ParameterError, match="200 times the short one"):
        open_image(encoded(Image.new("RGB", (1, 201))))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello, I am no picture", "of no format that is read; give one of PNG, JPEG"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG is a drawing, not pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "of no format that is read"),
        (encoded(two_colours(64, 64))[:-60], "cannot be decoded"),
        (encoded(two_colours(64, 64), "JPEG")[:400], "cannot be (decoded|read)"),
        (claimed(9, 9, b"this is not zlib"), "cannot be decoded"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "cannot be read"),
        (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "pixels are of kind F"),
    ],
    ids=["text", "svg", "postscript", "png-cut", "jpeg-cut", "png-broken", "png-header", "floats"],
)
def test_what_is_no_picture_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        open_image(data)
    assert caught.value.field == "inputs.image"


def test_no_bytes_are_no_picture_and_no_recording() -> None:
    with pytest.raises(EmptyInput, match="no bytes"):
        open_image(b"")
    with pytest.raises(EmptyInput, match="no bytes"):
        open_audio(b"", 16_000)


def test_a_profile_of_colours_is_no_obstacle() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert open_image(encoded(two_colours(), icc_profile=profile)).getpixel((0, 0)) == RED


@pytest.mark.parametrize(
    ("kind", "subtype", "tolerance"),
    [
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "FLOAT", 1e-7),
        ("WAV", "ULAW", 2e-2),
        ("FLAC", None, 1e-4),
        ("AIFF", "PCM_24", 1e-6),
        ("AU", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 5e-2),
        ("OGG", "OPUS", 5e-2),
        ("MP3", None, 5e-2),
    ],
)
def test_recordings_of_every_format_are_read(kind: str, subtype: str | None, tolerance: float) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    samples = open_audio(recorded(tone, 16_000, kind, subtype), 16_000)
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) <= 1_200  # MP3 pads to whole frames
    power = np.abs(np.fft.rfft(samples[2_000:10_000]))
    assert power.argmax() * 2 == 440
    if kind not in ("OGG", "MP3"):
        np.testing.assert_allclose(samples, tone, atol=tolerance)


def test_channels_are_averaged() -> None:
    both = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    np.testing.assert_allclose(open_audio(recorded(both, subtype="FLOAT"), 16_000), np.full(100, 0.125))


def test_a_recording_is_resampled() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(44_100) / 44_100)
    samples = open_audio(recorded(0.5 * tone, 44_100, subtype="FLOAT"), 16_000)
    assert len(samples) == 16_000
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(samples[500:-500], expected[500:-500], atol=1e-3)


def test_three_hours_are_refused_by_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: Any) -> None:
        raise AssertionError("samples were decoded")

    data = recorded(np.zeros(3 * 3600 * 1_000), 1_000, "WAV", "PCM_U8")
    monkeypatch.setattr(media, "_decode", decode)
    with pytest.raises(InputTooLong, match=r"lasts 10,800 s, at most 120 s are read") as caught:
        open_audio(data, 16_000)
    assert caught.value.field == "inputs.audio"


def test_more_samples_than_the_header_told_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = recorded(np.zeros(16_000), 16_000)
    assert len(open_audio(data, 16_000, seconds=1.0)) == 16_000
    monkeypatch.setattr(media, "_decode", lambda *_: np.zeros(16_001, np.float32))
    with pytest.raises(InputTooLong, match="at most 1 s are read"):
        open_audio(data, 16_000, seconds=1.0)


def test_no_more_is_decoded_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        channels = 2
        decoded = 0

        def read(self, count: int, **_: Any) -> np.ndarray:
            self.decoded += count
            return np.zeros((count, 2), np.float32)

    endless = Endless()
    assert len(media._decode(endless, 100_000)) > 100_000
    assert endless.decoded <= 100_000 + media.BLOCK


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello, I am no recording", "of no audio format that is read; give WAV, FLAC"),
        (b"\x1aE\xdf\xa3 webm", "of no audio format that is read"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "cannot be decoded"),
        (recorded(np.zeros(64_000), kind="FLAC")[:60], "cannot be decoded"),
        (recorded(np.array([0.0, np.nan, 0.0]), subtype="FLOAT"), "not finite"),
        (recorded(np.array([0.0, np.inf, 0.0]), subtype="FLOAT"), "not finite"),
        (recorded(np.zeros(100), 200), "200 samples a second; 1,000 to 384,000 are read"),
    ],
    ids=["text", "webm", "wav-cut", "flac-cut", "nan", "inf", "rate"],
)
def test_what_is_no_recording_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        open_audio(data, 16_000)
    assert caught.value.field == "inputs.audio"
    assert not set("<>") & set(str(caught.value)), "a repr of ours is nothing to a caller"
    assert " 0x" not in str(caught.value)


@pytest.mark.parametrize(
    ("model_seconds", "limit"),
    [
        (30.0, "the model hears 30 s at once: cut it into parts of that length"),
        (None, "at most 120 s are read: cut it"),
    ],
)
def test_the_limit_that_is_told_is_the_smaller_one(
    model_seconds: float | None, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = round((model_seconds or 120) * 1_000)
    whole = recorded(np.zeros(most), 1_000, "WAV", "PCM_U8")
    assert len(open_audio(whole, 1_000, model_seconds=model_seconds)) == most
    monkeypatch.setattr(media, "_decode", lambda *_: pytest.fail("samples were decoded"))
    with pytest.raises(InputTooLong) as caught:
        open_audio(recorded(np.zeros(most + 1), 1_000, "WAV", "PCM_U8"), 1_000, model_seconds=model_seconds)
    assert str(caught.value) == f"the recording lasts {most / 1_000:.0f}.001 s, {limit}"


def test_a_recording_of_nothing_is_refused() -> None:
    with pytest.raises(EmptyInput, match="no samples"):
        open_audio(recorded(np.zeros(0)), 16_000)


def test_the_examples_can_be_read() -> None:
    assert open_image(media.example_image()).size == (240, 160)
    assert open_audio(media.example_audio(0.5), 16_000).shape == (8_000,)
