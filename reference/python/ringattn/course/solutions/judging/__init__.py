"""Right answers to the exercises on the judgement of results."""
