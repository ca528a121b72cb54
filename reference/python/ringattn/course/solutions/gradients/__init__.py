"""Right answers to the exercises on the backward pass."""
