"""What the page may not do: inline code, evaluated code, requests elsewhere; and proof that the checks can fail."""

import httpx
import pytest
from playwright.sync_api import Page, Route

from .conftest import Opener

pytestmark = pytest.mark.browser

INTRUDE = """async () => {
  const seen = [];
  document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
  const inline = document.createElement("script");
  inline.textContent = "window.intruded = true";
  document.body.append(inline);
  const style = document.createElement("style");
  style.textContent = "body { --intruded: 1 }";
  document.head.append(style);
  await fetch("http://127.0.0.2:9/").catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 200));
  return {
    script: window.intruded === true,
    style: getComputedStyle(document.body).getPropertyValue("--intruded") === "1",
    seen: seen.sort(),
  };
}"""


def evaluates(page: Page) -> bool:
    """Whether the page could make code of text; asked from its own script, since a debugger's is let through."""
    # An attribute handler of the page's own would be refused as well, so the module that asks comes from a route.
    page.route(
        "**/js/asks.js",
        lambda route: route.fulfill(
            content_type="text/javascript",
            body="let made = true; try { new Function('return 1')() } catch { made = false } export default made;",
        ),
    )
    return bool(page.evaluate("import('./js/asks.js').then((module) => module.default)"))


def without_policy(route: Route) -> None:
    """The server's answer, its policy taken away."""
    answer = route.fetch()
    headers = {name: value for name, value in answer.headers.items() if name != "content-security-policy"}
    route.fulfill(response=answer, headers=headers)


def test_the_policy_names_no_way_around(api: httpx.Client) -> None:
    policy = api.get("/").headers["content-security-policy"]
    rules = {part.split()[0]: part.split()[1:] for part in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == ["'self'"]
    assert rules["style-src"] == ["'self'"]
    assert rules["connect-src"] == ["'self'"]
    assert "script-src-elem" not in rules
    assert "script-src-attr" not in rules


def test_intruders_are_refused(watch: Opener) -> None:
    watched = watch()
    watched.allow("Content Security Policy", "violates", "Refused to")
    page = watched.open()
    assert page.evaluate(INTRUDE) == {
        "script": False,
        "style": False,
        "seen": ["connect-src", "script-src-elem", "style-src-elem"],
    }
    assert evaluates(page) is False


def test_without_the_policy_they_would_get_in(watch: Opener) -> None:
    watched = watch()
    watched.allow("ERR_")
    watched.page.route(watched.server + "/", without_policy)
    page = watched.open()
    intrusions = page.evaluate(INTRUDE)
    assert intrusions["script"]
    assert intrusions["style"]
    assert intrusions["seen"] == []
    assert evaluates(page)
    watched.foreign.clear()  # the intruder's own request


def test_a_whole_visit_keeps_the_stricter_policy_too(watch: Opener) -> None:
    """Not even style attributes are needed: the page works where an operator forbids them."""
    watched = watch()
    strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"

    def stricter(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": strict})

    watched.page.route(watched.server + "/", stricter)
    page = watched.open()
    watching = (
        "document.addEventListener('securitypolicyviolation', (event) => window.seen.push(event.effectiveDirective))"
    )
    page.evaluate(f"window.seen = []; {watching}")
    for key in ("ArrowRight", "ArrowDown", "[", "]", *"lcstn+0?", "Escape", "Shift+ArrowDown"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    watched.settled()
    box = page.locator(".nsewdrag").bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.wheel(0, -200)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 80)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert page.evaluate("window.seen") == []
