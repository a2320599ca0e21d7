"""The explorer as few files, and a trace with it as one HTML file. Python's own library is all that this needs."""
