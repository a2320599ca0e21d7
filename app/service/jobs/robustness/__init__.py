"""Robustness: what becomes of a model's answers and of its attention as its input gets worse."""
