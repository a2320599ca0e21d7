"""Checkpoints of other people's: Hugging Face models of every family, through transformers' AttentionInterface."""
