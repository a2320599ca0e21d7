"""Attention models, what they leave behind, and where they look: the PyTorch side of Heedmap."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("heedmap")
except PackageNotFoundError:  # run from a source tree that nobody installed
    __version__ = "0+source"
