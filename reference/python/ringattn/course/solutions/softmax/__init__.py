"""Right answers to the exercises on softmax in pieces."""
