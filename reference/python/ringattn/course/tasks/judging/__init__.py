"""Exercises on the judgement of results."""
