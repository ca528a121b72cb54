"""One module for each exercise, with a right answer: a function of the name of the exercise."""
