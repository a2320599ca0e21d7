"""What Heedmap costs beside its peers: each file measures both sides in one run and prints a table of ratios."""
