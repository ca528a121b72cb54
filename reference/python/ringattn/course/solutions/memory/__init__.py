"""Right answers to the exercises on memories of constant size."""
