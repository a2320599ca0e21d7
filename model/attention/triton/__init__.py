"""Triton kernels for maps on an accelerator: windows, overviews and statistics of all heads of a layer in one launch.

`dispatch` is the door, and imports Triton, which is optional, when it is first asked for a map on an accelerator.
"""
