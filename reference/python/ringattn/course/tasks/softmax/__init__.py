"""Exercises on softmax in pieces."""
