"""The OpenAPI page in a browser, behind a proxy that strips a prefix and says nothing of it."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.live import free_port

pytestmark = pytest.mark.browser
PREFIX = "/tools/heedmap"


@pytest.fixture
def proxied(server: str) -> Iterator[str]:
    """The address of the live service behind such a proxy."""

    async def passed(request: Request) -> Response:
        async with httpx.AsyncClient(base_url=server, timeout=60) as inner:
            path = request.url.path.removeprefix(PREFIX)
            answer = await inner.request(request.method, path, content=await request.body())
        return Response(answer.content, answer.status_code, {"Content-Type": answer.headers["content-type"]})

    port = free_port()
    proxy = Starlette(routes=[Route(f"{PREFIX}/{{rest:path}}", passed, methods=["GET", "POST"])])
    running = uvicorn.Server(uvicorn.Config(proxy, port=port, log_level="error"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}{PREFIX}"
    running.should_exit = True
    thread.join(10)


@pytest.mark.parametrize("behind", [False, True])
def test_try_it_out_calls_the_service_where_it_is(browser: Browser, server: str, proxied: str, behind: bool) -> None:
    url = proxied if behind else server
    page = browser.new_page()
    try:
        page.goto(f"{url}/docs")
        page.locator("#operations-models-list_models_v1_models_get button.opblock-summary-control").click()
        with page.expect_response(lambda response: "/v1/models" in response.url) as answered:
            page.locator("#operations-models-list_models_v1_models_get button.execute").click()
        assert (answered.value.url, answered.value.status) == (f"{url}/v1/models", 200)
    finally:
        page.close()
