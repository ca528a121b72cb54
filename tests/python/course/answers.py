"""Answers to the exercises of the course, and what their feedback must say."""

import re
from functools import cache
from typing import Any

from ringattn import course


@cache
def solution_of(name):
    names: dict[str, Any] = {}
    exec(course.exercise(name).solution(), names)
    return names[name]


def require_named(name, mistake, answer):
    """A wrong answer gets the id of its mistake in the catalogue, a hint, and the first wrong place."""
    feedback = course.exercise(name).check(answer)
    assert not feedback.ok and mistake in feedback.mistakes, feedback
    assert feedback.hint and feedback.first_wrong


def require_explained(name, answer, sentence):
    """A wrong answer whose mistake is not in the catalogue gets the sentence; with a hint, also the first wrong place."""
    feedback = course.exercise(name).check(answer)
    assert feedback.status == "wrong" and re.search(sentence, feedback.sentence), feedback
    assert bool(feedback.hint) == bool(feedback.first_wrong), feedback


def budget_of(name, answer):
    """What a right answer used, and the best known of each quantity."""
    feedback = course.exercise(name).check(answer)
    assert feedback.ok, feedback
    return [(each.used, each.best) for each in feedback.budget]
