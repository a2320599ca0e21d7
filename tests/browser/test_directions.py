"""Texts from right to left: a label is drawn as it is written, and reorders nothing beside it."""

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

# How far from the left each character of a text is drawn, in an SVG as Plotly makes them.
PLACES = """async (text) => {
  const { isolated } = await import('/js/text/isolate.js');
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  const node = svg.appendChild(document.createElementNS(space, 'text'));
  node.textContent = isolated(text);
  document.documentElement.append(svg);
  const drawn = [...node.textContent];
  const places = drawn.map((sign, index) => [sign, node.getStartPositionOfChar(index).x]);
  svg.remove();
  return places.filter(([sign]) => text.includes(sign));
}"""


@pytest.mark.parametrize("letter", ["ر", "ש"])
def test_the_bytes_beside_a_letter_stay_whole(alone: Page, letter: str) -> None:
    places = alone.evaluate(PLACES, f"{letter}<0xD8>")
    letters, signs = places[:1], places[1:]
    assert "".join(sign for sign, _ in sorted(signs, key=lambda pair: pair[1])) == "<0xD8>"
    assert letters[0][1] > max(x for _, x in signs), "what comes after a letter read leftwards stands left of it"
