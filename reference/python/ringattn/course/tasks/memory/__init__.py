"""Exercises on memories of constant size."""
