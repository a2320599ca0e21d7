"""The OpenAPI page: Swagger UI, served from here; its files come with the package fastapi-offline."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

# Swagger UI writes style elements and draws its icons from data: URLs; its scripts are files like the explorer's.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Heedmap API</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="swagger"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script></body></html>
"""
START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger", deepLinking: true, validatorUrl: null, tryItOutEnabled: true
});
"""


def install(app: FastAPI) -> None:
    """Serve the page at /docs and its files under it."""

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(START, media_type="text/javascript")

    folder = Path(str(files("fastapi_offline"))) / "static"
    app.mount("/docs", StaticFiles(directory=folder), name="docs")
