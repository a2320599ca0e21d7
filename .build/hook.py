"""What the wheel has beside the folders: `heedmap.py` becomes the package's own module, and says that it has types."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface[Any]):
    """Adds `heedmap/__init__.py` and `heedmap/py.typed` to a wheel.

    An editable install does without: there the work tree is on the path, `heedmap.py` in it, and a second `heedmap` in
    site-packages would come before it.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is the kind of wheel: standard or editable."""
        if version == "standard":
            build_data["force_include"] |= {"heedmap.py": "heedmap/__init__.py", ".build/py.typed": "heedmap/py.typed"}
