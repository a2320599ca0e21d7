"""What the wheel has beside the folders: `heedmap.py` becomes the package's own module, and says that it has types.

The explorer's files are joined and compressed ahead, so that a service sends them as they are. Python does it alone, by
`model/page/`: pip makes a wheel out of an sdist wherever it is installed, and there is no Node in most of these places.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface[Any]):
    """Adds `heedmap/__init__.py`, `heedmap/py.typed` and `heedmap/static/built/` to a wheel.

    An editable install does without: there the work tree is on the path, `heedmap.py` in it, and a second `heedmap` in
    site-packages would come before it.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is the kind of wheel: standard or editable."""
        if version != "standard":
            return
        build_data["force_include"] |= {"heedmap.py": "heedmap/__init__.py", ".build/py.typed": "heedmap/py.typed"}
        sys.path.insert(0, self.root)
        try:
            from heedmap.model.page.assets import write
        finally:
            sys.path.remove(self.root)
        self.built = TemporaryDirectory()  # until the wheel has been written
        target = Path(self.built.name)
        for name in write(target, Path(self.root) / "static"):
            build_data["force_include"][str(target / name)] = f"heedmap/static/built/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling when the wheel is there."""
        if version == "standard":
            self.built.cleanup()
