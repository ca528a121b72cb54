"""Exercises on the ring."""
