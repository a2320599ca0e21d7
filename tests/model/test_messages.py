"""Libraries' messages without what is nobody's business, and quantities that differ where they are shown."""

import pytest

from heedmap.model.messages import apart, library_message


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "Error opening <_io.BytesIO object at 0x7ff982b7b830>: Format not recognised.",
            "Error opening the file: Format not recognised",
        ),
        ("cannot identify image file <_io.BytesIO object at 0x7ff982b7b830>", "cannot identify image file the file"),
        ("<_io.BufferedReader name='/tmp/a/b.wav'> is closed", "the file is closed"),
        ("bad pointer 0x7f12ab34cd56 in block", "bad pointer an object in block"),
        ("[Errno 2] No such file: '/srv/models/x/vocab.json'", "[Errno 2] No such file: 'vocab.json'"),
        ("read\n  past   the end...", "read past the end"),
        ("", "ValueError"),
        ("either a/b or <pad> at 0x41", "either a/b or <pad> at 0x41"),  # no address, no path
        ("see https://docs.example/a/b/c for more", "see https://docs.example/a/b/c for more"),
    ],
)
def test_messages_by_hand(said: str, message: str) -> None:
    assert library_message(ValueError(said)) == message


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (30.0000625, 30.0, ("30.0001", "30")),
        (30.04, 30.0, ("30.04", "30")),
        (1.5, 1.0, ("1.5", "1")),
        (10_800.0, 120.0, ("10,800", "120")),
        (24.9375, 25.0, ("24.9", "25")),
    ],
)
def test_quantities_are_told_apart(first: float, second: float, expected: tuple[str, str]) -> None:
    assert apart(first, second) == expected
