"""One module for each exercise, with the object `exercise`."""
