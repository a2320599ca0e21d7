"""What happens to inputs on their way to a model, by strength: pure functions with seeded generators; statistics."""
