"""Attention itself: scores, masks, positions, kernels, maps, and the layer that joins them."""
