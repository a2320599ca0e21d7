"""Heads over a corpus: running statistics, top sequences and kinds, in memory that no number of inputs makes larger."""
