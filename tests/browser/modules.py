"""The page's modules, called one by one."""

from typing import Any

from playwright.sync_api import Page


def call(page: Page, module: str, code: str, argument: Any = None) -> Any:
    """The value of an expression in which `m` is a module and `a` an argument."""
    return page.evaluate(f"async (a) => {{ const m = await import('/js/{module}.js'); return {code}; }}", argument)
