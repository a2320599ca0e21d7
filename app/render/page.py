"""A figure as a page that needs nothing beside itself, and the policy to serve it with."""

import hashlib
import html
from base64 import b64encode
from functools import cache
from typing import Any

from heedmap.app.render.wire import to_json
from heedmap.app.settings import STATIC

CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True}
DRAW = """
const figure = JSON.parse(document.getElementById("figure").textContent);
Plotly.newPlot("map", figure.data, figure.layout, figure.config);
"""


def page(drawn: dict[str, Any], title: str) -> bytes:
    """A page of a figure, Plotly included; serve it with `page_policy`."""
    data = to_json({**drawn, "config": CONFIG}).replace(b"<", b"\\u003c")  # a token "</script>" ends nothing
    script, _ = bundle()
    return b"".join(
        [
            b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>',
            html.escape(title).encode(),
            b'</title>\n<meta name="viewport" content="width=device-width">\n<script>',
            script,
            b"</script>\n<style>html, body, #map { height: 100%; margin: 0 }</style></head>\n",
            b'<body><div id="map"></div>\n<script type="application/json" id="figure">',
            data,
            b"</script>\n<script>",
            DRAW.encode(),
            b"</script></body></html>\n",
        ]
    )


def page_policy() -> str:
    """The Content-Security-Policy that lets the page's own two scripts run and nothing else, in its own origin."""
    scripts = f"'{bundle()[1]}' '{script_hash(DRAW.encode())}'"
    images = "img-src data: blob:; sandbox allow-scripts allow-downloads"
    return f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; {images}"


@cache
def bundle() -> tuple[bytes, str]:
    """The Plotly bundle that the explorer ships, fit to stand inside a page, and its hash."""
    script = next((STATIC / "vendor").glob("plotly-cartesian*.min.js")).read_bytes()
    script = script.replace(b"</script", b"<\\/script").replace(b"\r\n", b"\n")
    return script, script_hash(script)


def script_hash(script: bytes) -> str:
    """What a Content-Security-Policy knows a script by."""
    return "sha256-" + b64encode(hashlib.sha256(script).digest()).decode()
