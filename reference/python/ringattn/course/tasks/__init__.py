"""One module for each exercise, with the object `exercise`; one folder for each subject."""
