"""Exercises on causal masks and layouts."""
