"""What is derived from traces: one measure a file, and the registry of them all."""
