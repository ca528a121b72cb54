"""Exercises that check themselves and name the mistake.

    ringattn.course.exercise("merge").check(my_merge)

answers in under a second, without a network: right, with the budget that the answer used, or which mistake of the
catalogue it makes, a hint, and the first wrong row. `python -m ringattn.course answers/*.py --csv grades.csv` grades a
class.
"""

from ringattn.course._exercise import Exercise, exercise, exercises
from ringattn.course._feedback import Budget, Feedback

__all__ = ["Budget", "Exercise", "Feedback", "exercise", "exercises"]
