"""One module for each exercise, at the place that it has in `tasks`: a right answer, a function of the name of the exercise."""
