"""Right answers to the exercises on the ring."""
