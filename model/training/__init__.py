"""Training: data without leaks, one loop, one loss, honest scores."""
