"""Exercises on the costs of a ring."""
