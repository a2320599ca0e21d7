"""Which parts of a context an answer used: spans, what their removal does, and scores that estimate it."""
