"""Exercises on the backward pass."""
