"""Spoken words: clips, strings of them, and the network that writes what it hears."""
