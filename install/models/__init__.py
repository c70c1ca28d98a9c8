"""The catalogue of models: lists, adds, verifies and removes models."""
