"""Right answers to the exercises on causal masks and layouts."""
