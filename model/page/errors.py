"""What can be wrong with the explorer's own files, which are ours: whoever changes them reads of it in a test."""


class LinkError(Exception):
    """A module, a style or the page is written in a way that is not joined here; the message says which and where."""
