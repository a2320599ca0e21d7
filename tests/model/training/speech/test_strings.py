"""Strings of words know where their words are, and are what their seed says."""

import numpy as np
import pytest
import torch

from heedmap.model.native.log_mel import LogMel
from heedmap.model.native.tokenizer import END, PAD
from heedmap.model.training.speech.batches import NOTHING, TOGETHER, Strings, place_labels, warp
from heedmap.model.training.speech.clips import RATE, WORDS, Clip, word_bounds
from heedmap.model.training.speech.strings import (
    CLEAN,
    TRAINING,
    Spoken,
    Variety,
    Vocabulary,
    compose,
    in_room,
    noise,
    stretched,
)
from heedmap.model.training.speech.words import word_tokenizer


def tone(word: str = "go", speaker: str = "a", seconds: float = 0.5, margin: float = 0.1) -> Clip:
    """A clip whose word is a tone between two margins of silence."""
    quiet, time = round(margin * RATE), np.arange(round(seconds * RATE)) / RATE
    samples = np.pad(np.sin(2 * np.pi * 500 * time) * 20_000, quiet).astype(np.int16)
    return Clip(word, speaker, 9, samples, quiet, quiet + len(time))


def test_words_lie_where_the_string_says_they_do() -> None:
    spoken = compose(
        np.random.default_rng(1), [tone("go"), tone("no")], Variety(pause=0.3, least=0.2, noise=0.0, room=0.0)
    )
    assert spoken.words == ["go", "no"]
    for start, stop in spoken.bounds:
        inside = spoken.samples[round((start + 0.01) * RATE) : round((stop - 0.01) * RATE)]
        assert np.sqrt(np.mean(inside**2)) > 0.03
    between = spoken.samples[round((spoken.bounds[0][1] + 0.01) * RATE) : round((spoken.bounds[1][0] - 0.01) * RATE)]
    assert len(between) > 0.15 * RATE
    assert np.abs(between).max() < 0.01
    first, last = word_bounds(spoken.samples)
    assert first / RATE == pytest.approx(spoken.bounds[0][0], abs=0.03)
    assert last / RATE == pytest.approx(spoken.bounds[1][1], abs=0.03)


def test_a_clean_string_is_as_long_as_its_words_pauses_and_quiet() -> None:
    rng = np.random.default_rng(0)
    still = Variety(pause=0.0, least=0.25, around=0.0, speed=1.0, level=0.0, noise=0.0, room=0.0)
    spoken = compose(rng, [tone(), tone()], still)
    # No quiet before the first word, which its clip has all the same: 0.1 + 0.5 + 0.25 + 0.5, and the last margin.
    assert spoken.bounds == [pytest.approx((0.1, 0.6)), pytest.approx((0.85, 1.35))]
    assert len(spoken.samples) / RATE == pytest.approx(1.45)


def test_no_word_is_a_recording_too() -> None:
    spoken = compose(np.random.default_rng(0), [], TRAINING)
    assert spoken.words == [] and len(spoken.samples) >= 0.3 * RATE  # noqa: PT018


def test_the_same_seed_makes_the_same_string() -> None:
    one, other, third = (compose(np.random.default_rng(s), [tone(), tone("no")], TRAINING, [tone()]) for s in (3, 3, 4))
    assert np.array_equal(one.samples, other.samples)
    assert one.bounds == other.bounds != third.bounds


def test_a_stretched_sound_is_longer_and_lower() -> None:
    samples = stretched(tone(margin=0.0).samples / 32768, 1.25)
    assert len(samples) == pytest.approx(0.625 * RATE, abs=2)
    assert np.abs(np.fft.rfft(samples)).argmax() / 0.625 == pytest.approx(400, abs=2)


def test_a_room_adds_an_echo_and_no_delay() -> None:
    click = np.zeros(RATE, dtype=np.float32)
    click[1000] = 1
    heard = in_room(np.random.default_rng(0), click)
    assert np.abs(heard).argmax() == 1000
    assert np.abs(heard[:1000]).max() < 1e-6
    assert np.square(heard[1001:1400]).sum() > 2 * np.square(heard[2000:2400]).sum()


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_the_power_one(seed: int) -> None:
    assert np.mean(np.square(noise(np.random.default_rng(seed), 5000, [tone()]))) == pytest.approx(1, abs=1e-3)


def test_the_labels_of_places_by_hand() -> None:
    # Places of 0.04 s: middles at 0.02, 0.06, 0.10, 0.14, 0.18.
    spoken = Spoken(np.zeros(1600), ["go", "no"], [(0.05, 0.10), (0.14, 0.17)])
    assert place_labels(spoken, [7, 8], places=5, step=0.04) == [NOTHING, 7, NOTHING, 8, NOTHING]


def test_a_warp_of_one_is_none_and_a_wider_one_moves_bands_down() -> None:
    assert torch.equal(warp(4, 1.0), torch.eye(4))
    frames = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    assert torch.allclose(frames @ warp(4, 0.5), torch.tensor([[0.0, 0.5, 1.0, 1.5]]))
    assert torch.allclose(frames @ warp(4, 1.2), torch.tensor([[0.0, 1.2, 2.4, 3.0]]))


def test_batches_are_resumable_and_say_what_is_said() -> None:
    clips = [tone(word, speaker) for word in WORDS for speaker in "ab"]
    strings = Strings([clips], [1.0], word_tokenizer(WORDS, ["<en>"]), LogMel(), stride=4, size=3, count=2 * TOGETHER)
    whole = list(strings.epoch(5))
    assert len(whole) == 2 * TOGETHER
    for batch, again in zip(whole[3:], strings.epoch(5)[3:], strict=True):
        assert torch.equal(batch.frames, again.frames)
        assert torch.equal(batch.labels, again.labels)
    for batch in whole:
        assert batch.frames.shape[:2] == (3, int(batch.lengths.max()))
        assert batch.places.shape[1] == -(-batch.frames.shape[1] // 4)
        for labels, target, places in zip(batch.labels, batch.target, batch.places, strict=True):
            words = [token for token in labels.tolist() if token != PAD]
            assert words[-1] == END
            assert target.tolist()[: len(words)] == [strings.opening, *words[:-1]]
            heard = [p for p in places.tolist() if p not in (PAD, NOTHING)]
            runs = [token for at, token in enumerate(heard) if at == 0 or heard[at - 1] != token]
            assert set(runs) == set(words[:-1])
            assert not set(words[:-1]) & {PAD, END, NOTHING}


def test_a_vocabulary_draws_one_speaker_or_any() -> None:
    vocabulary, rng = Vocabulary([tone("go", "a"), tone("no", "a"), tone("go", "b")]), np.random.default_rng(0)
    for _ in range(10):
        assert len({clip.speaker for clip in vocabulary.of_one(rng, 4)}) == 1
    drawn = [vocabulary.any(rng) for _ in range(200)]
    assert 70 < sum(clip.word == "no" for clip in drawn) < 130


def test_clean_is_as_it_was_recorded() -> None:
    spoken = compose(np.random.default_rng(0), [tone()], CLEAN)
    start, stop = spoken.bounds[0]
    assert stop - start == pytest.approx(0.5)
