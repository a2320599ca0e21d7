"""Work that takes longer than a request: one kind of job a file, their registry, what runs and what keeps them."""
