"""Lagging by hand-worked cases, after the formulas of the papers."""

import pytest

from heedmap.model.measures.lagging import average_lagging, length_adaptive_lagging


def test_wait_k_lags_by_k_where_both_sides_are_as_long() -> None:
    # Ma et al. 2019: of wait-k with |x| = |y| the average lagging is k.
    for k in (1, 2, 3, 5):
        delays = [min(k + t, 6) for t in range(6)]
        assert average_lagging(delays, 6) == pytest.approx(k)


def test_who_waits_for_the_end_lags_by_the_whole_source() -> None:
    assert average_lagging([5, 5, 5], 5) == 5.0  # the first word has it all: tau is 1
    assert length_adaptive_lagging([5, 5, 5], 5, 9) == 5.0


def test_a_short_translation_has_a_slower_pace() -> None:
    # |x| = 4, |y| = 2, gamma = 1/2: g = 2, 4; tau = 2; (2 - 0 + 4 - 2) / 2
    assert average_lagging([2, 4], 4) == pytest.approx(2.0)


def test_the_longer_of_output_and_reference_sets_the_pace() -> None:
    # |x| = 4, |y| = 8: two words a source word. g = 1 1 2 2 3 3 4 4, tau = 7: (16 - (0 + 1 + ... + 6) / 2) / 7
    delays = [1, 1, 2, 2, 3, 3, 4, 4]
    assert average_lagging(delays, 4) == pytest.approx((16 - 21 / 2) / 7)
    assert length_adaptive_lagging(delays, 4, reference=4) == average_lagging(delays, 4)
    # Two words where the reference has eight: the pace is the reference's, and the lag more than by one's own.
    assert average_lagging([1, 4], 4) == pytest.approx((1 + 4 - 2) / 2)
    assert length_adaptive_lagging([1, 4], 4, reference=8) == pytest.approx((1 + 4 - 0.5) / 2)


def test_who_never_reads_it_all_is_averaged_over_all_words() -> None:
    assert average_lagging([1, 2], 4) == pytest.approx((1 + 2 - 2) / 2)


@pytest.mark.parametrize(("delays", "source"), [([], 3), ([1], 0), ([2, 1], 3), ([4], 3), ([-1], 3)])
def test_what_is_no_delay_is_refused(delays: list[int], source: int) -> None:
    with pytest.raises(ValueError, match=r"lag without words|delays rise"):
        average_lagging(delays, source)
