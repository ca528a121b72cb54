"""Exercises on communication beside arithmetic."""
