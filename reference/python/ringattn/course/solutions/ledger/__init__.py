"""Right answers to the exercises on the costs of a ring."""
