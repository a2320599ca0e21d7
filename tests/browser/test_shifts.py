"""Nothing on the page moves that the reader did not move, while its first map comes."""

import re
import time

import pytest
from playwright.sync_api import Route

from .conftest import Opener

pytestmark = pytest.mark.browser


def delayed(route: Route) -> None:
    """The page has long been drawn when the answer comes."""
    time.sleep(0.5)
    route.continue_()


@pytest.mark.parametrize(
    ("late", "slower", "viewport"),
    [
        ("", 1, (1440, 900)),
        ("", 6, (1440, 900)),
        ("predict", 1, (1440, 900)),
        ("heads", 1, (1440, 900)),
        ("measures", 1, (1440, 900)),
        ("", 4, (1000, 800)),
        ("whole", 1, (390, 844)),
    ],
)
def test_nothing_moves_while_the_first_map_comes(
    watch: Opener, late: str, slower: int, viewport: tuple[int, int]
) -> None:
    """Whichever answer is late, and on a slow machine."""
    watched = watch(viewport={"width": viewport[0], "height": viewport[1]})
    page = watched.page
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    if late == "whole":  # nothing is seen being written: on a phone that shows what later is below the map
        page.route("**/v1/predict", lambda route: route.fulfill(response=route.fetch()))
    elif late:
        page.route(re.compile(rf"/v1/.*{late}"), delayed)
    page.add_init_script(
        """window.shifts = [];
        new PerformanceObserver((list) => {
          for (const { value, sources } of list.getEntries())
            window.shifts.push([value, sources.map(({ node }) => node?.id || node?.className || node?.nodeName)]);
        }).observe({ type: "layout-shift", buffered: true });"""
    )
    watched.open()
    page.wait_for_timeout(200 * slower)
    assert sum(value for value, _ in page.evaluate("window.shifts")) < 0.0005, page.evaluate("window.shifts")
