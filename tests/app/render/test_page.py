"""A figure's page: no token can break out of it, and its policy allows its two scripts alone."""

import base64
import hashlib
import re

import numpy as np

from heedmap.app.render import figures
from heedmap.app.render.page import page, page_policy

WEIGHTS = np.array([[1.0, 0.0], [0.25, 0.75]], np.float32)
VISIBLE = np.array([[True, False], [True, True]])


def test_a_token_cannot_end_the_script_or_become_a_tag() -> None:
    evil = "</script><b onclick=alert(1)>"
    drawn = figures.figure(WEIGHTS, VISIBLE, [evil, "b"], ["x", evil], title=evil, axes=("q", "k"))
    assert drawn["layout"]["yaxis"]["ticktext"][0].startswith("&lt;/script&gt;")
    document = page(drawn, evil).decode()
    body = document[document.index("<body>") :]
    assert len(re.findall("</script>", body)) == 2, "the figure's and the one that draws it"
    assert evil not in document


def test_the_policy_allows_exactly_the_pages_scripts() -> None:
    document = page(figures.figure(WEIGHTS, VISIBLE, ["a", "b"], ["x", "y"], title="t", axes=("q", "k")), "t")
    scripts = re.findall(rb"<script>(.*?)</script>", document, flags=re.DOTALL)
    hashes = {"sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts}
    assert set(re.findall(r"'(sha256-[^']+)'", page_policy())) == hashes
    assert len(hashes) == 2
