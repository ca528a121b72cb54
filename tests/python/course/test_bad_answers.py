"""Bad answers of learners get one friendly sentence each."""

import re
import sys

import numpy as np
import pytest
from answers import solution_of
from ringattn import course
from ringattn.course import __main__ as grading
from ringattn.course import _answers


def a_loop_without_end(*arguments):
    while True:
        pass


def in_place(out_a, lse_a, out_b, lse_b):
    out_a += out_b
    return out_a, lse_a


def a_generator(*arguments):
    yield arguments


def an_error(out_a, lse_a, out_b, lse_b):
    return out_a[1000], lse_a


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (a_generator, "it returns a generator"),
        (lambda *arguments: None, "it returns None"),
        (in_place, "it changes its argument out_a in place"),
        (an_error, "it raises IndexError: index 1000 .* at `return out_a"),
        (lambda *arguments: 1, "it must return 2 values, out, lse; it returns int"),
        (lambda *arguments: (1, 2, 3), "it must return 2 values, out, lse; it returns 3 values"),
        (lambda out_a, lse_a, out_b, lse_b: (out_a, out_b), "lse must have the shape"),
        (lambda out_a, lse_a, out_b, lse_b: (out_a * np.nan, lse_b), "the result contains NaN"),
        (lambda out_a, lse_a, out_b, lse_b: ("text", lse_b), "out must be numbers; it returns str"),
        (lambda: None, "it raises TypeError: .* positional arguments"),
        ("merge", "check takes your function itself; it got str"),
    ],
)
def test_a_bad_answer_gets_one_friendly_sentence(answer, sentence):
    feedback = course.exercise("merge").check(answer)
    assert feedback.status == "wrong"
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(feedback.sentence)


def changed_numbers(result, change):
    """A result of a right answer, with each array and each number changed, and the names in lists kept."""
    if isinstance(result, (list, tuple)):
        return type(result)(each if isinstance(each, str) else changed_numbers(each, change) for each in result)
    return change(result)


class Hostile:
    """An object that refuses to be read."""

    def __iter__(self):
        raise RuntimeError("I am no list")

    def __array__(self, *arguments, **options):
        raise RuntimeError("I am no array")


def bad_answers(right):
    """Bad answers to any exercise by kind, and the sentence about each; an empty one where it depends on the exercise."""

    def of_wrong_shape(*arguments):
        return changed_numbers(right(*arguments), lambda each: np.stack([each, each])[:, None])

    def nan(*arguments):
        return changed_numbers(right(*arguments), lambda each: np.full(np.shape(each), np.nan)[()])

    def infinite(*arguments):
        return changed_numbers(right(*arguments), lambda each: np.full(np.shape(each), np.inf)[()])

    def an_exception(*arguments):
        raise ValueError("first line\n" + "second line " * 100)

    def an_exit(*arguments):
        sys.exit(3)

    def a_recursion_without_end(*arguments):
        return a_recursion_without_end(*arguments)

    return {
        "wrong shape": (of_wrong_shape, ""),
        "NaN": (nan, ""),
        "infinity": (infinite, ""),
        "ragged list": (lambda *arguments: [[1], [2, 3]], ""),
        "text": (lambda *arguments: "text", ""),
        "function": (lambda *arguments: right, ""),
        "hostile object": (lambda *arguments: Hostile(), ""),
        "exception": (an_exception, "it raises ValueError: first line second line .* at `raise ValueError"),
        "exit": (an_exit, "it raises SystemExit: 3 at `sys.exit"),
        "recursion without end": (a_recursion_without_end, "it raises RecursionError: "),
        "generator": (a_generator, "it returns a generator"),
        "None": (lambda *arguments: None, "it returns None; does every path end with return?"),
        "no parameters": (lambda: None, "it raises TypeError: .* positional argument"),
        "loop without end": (
            a_loop_without_end,
            "it did not finish within 0.05 seconds; is there a loop that never ends?",
        ),
    }


@pytest.mark.parametrize("kind", list(bad_answers(None)))
@pytest.mark.parametrize("name", list(course.exercises()))
def test_every_exercise_answers_every_kind_of_bad_answer_with_one_sentence(name, kind, monkeypatch):
    monkeypatch.setattr("ringattn.course._exercise.time_limit", 0.05 if kind.startswith("loop") else 60)
    answer, sentence = bad_answers(solution_of(name))[kind]
    found = course.exercise(name).check(answer)
    assert found.status == "wrong" and found.budget == []
    assert 10 < len(found.sentence) < 400 and "\n" not in found.sentence
    assert re.search(sentence, found.sentence), found.sentence


@pytest.mark.parametrize("name", list(course.exercises()))
def test_an_answer_that_changes_an_array_in_place_is_told_so(name):
    arrays = []

    def in_place(*arguments):
        result = solution_of(name)(*arguments)
        for each in arguments:
            if isinstance(each, np.ndarray) and each.size:
                arrays.append(each)
                each[...] = ~each if each.dtype == bool else each + 1
        return result

    feedback = course.exercise(name).check(in_place)
    assert feedback.ok if not arrays else "in place; compute new arrays instead" in feedback.sentence


@pytest.mark.parametrize(("name", "hop"), [("trip", (0.5, 1.5, 0.5)), ("home", (0.5, 1.5))])
def test_numbers_with_a_fraction_are_no_devices(name, hop):
    assert "with whole numbers" in course.exercise(name).check(lambda step, devices: [hop]).sentence


def test_a_file_of_answers_that_never_ends_defines_no_functions(monkeypatch, tmp_path, capsys):
    (tmp_path / "eve.py").write_text("while True: pass\n")
    monkeypatch.setattr(grading, "file_time_limit", 0.2)
    assert grading.functions_of(tmp_path / "eve.py") == {}
    assert "it did not finish within 0.2 seconds" in capsys.readouterr().err


def test_the_time_limit_is_a_generous_guard_against_hanging():
    assert _answers.time_limit >= 5
