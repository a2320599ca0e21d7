"""What a checkpoint is asked: one task a file, the registry of them all, and what they share."""
