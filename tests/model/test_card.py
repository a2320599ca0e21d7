"""The front matter of model cards, as model hubs have it."""

from pathlib import Path

import pytest

from heedmap.model.card import card_text, front_matter, licence, values

CARD = """---
language:
- de
- en
license: "apache-2.0"
tags: [translation, 'marian']
pipeline_tag: translation
model-index:
- name: opus
  results:
  - task:
      type: x
---

license: none of this
"""


def test_the_front_matter_is_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD)
    matter = front_matter(tmp_path)
    assert matter["language"] == ["de", "en"]
    assert matter["tags"] == ["translation", "marian"]
    assert matter["pipeline_tag"] == "translation"
    assert values(tmp_path, "pipeline_tag") == ["translation"]
    assert licence(tmp_path) == "apache-2.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\nlicense: other\nlicense_name: llama3\n---\n", "llama3"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense:\n- mit\n- cc-by-4.0\n---\n", "mit, cc-by-4.0"),
        ("\ufeff---\nlicense: mit\n---\n", "mit"),
        ("---\nlanguage: de\n---\nlicense: mit\n", None),
        ("license: mit\n", None),
        ("---\nlicense: mit\n", None),
        ("", None),
        ("---\nlicense: [mit\n---\n", None),
        ("---\nlicense: {a: b}\n---\n", None),
        ("---\n- license\n---\n", None),
        ("---\nlicense: mit\nmodel-index: nonsense\n---\n", "mit"),
        ("---\na: \t*b\n---\n", None),
        ("---\nlicense: " + "[" * 5000 + "\n---\n", None),
    ],
)
def test_licences(tmp_path: Path, text: str, expected: str | None) -> None:
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert licence(tmp_path) == expected


def test_no_card_says_nothing(tmp_path: Path) -> None:
    assert front_matter(tmp_path) == {}
    assert licence(tmp_path) is None


def test_what_a_card_says_below_its_front_matter(tmp_path: Path) -> None:
    assert card_text(tmp_path) is None
    (tmp_path / "README.md").write_text(CARD, encoding="utf-8")
    assert card_text(tmp_path) == CARD.split("---\n", 2)[2].strip()
    (tmp_path / "README.md").write_text("\ufeff# A rule\n\n---\n\nand ---\n", encoding="utf-8")
    assert card_text(tmp_path) == "# A rule\n\n---\n\nand ---", "a rule begins no front matter"
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    assert card_text(tmp_path) is None
