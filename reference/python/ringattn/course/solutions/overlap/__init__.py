"""Right answers to the exercises on communication beside arithmetic."""
