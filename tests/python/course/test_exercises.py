"""What holds for all exercises of the course, and the grading of a class."""

import csv
import subprocess
import sys

import pytest
from answers import solution_of
from ringattn import course


@pytest.mark.parametrize("name", list(course.exercises()))
def test_the_solution_of_an_exercise_is_right_and_within_the_best_known_budget(name):
    exercise = course.exercise(name)
    feedback = exercise.check(solution_of(name))
    assert feedback.ok and feedback.mistakes == [], feedback
    assert feedback.budget and all(each.used <= each.best for each in feedback.budget)
    assert f"def {name}(" in exercise.solution() and exercise.task.startswith(name + "(")
    assert [exercise.hint(number) for number in (1, 2, 3)] == list(exercise.hints)


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("name", list(course.exercises()))
def test_the_untouched_stub_of_an_exercise_is_not_written_yet_and_raises_nothing(name):
    feedback = course.exercise(name).check(stub)
    assert feedback.status == "unwritten" and not feedback.ok and "UNWRITTEN" in str(feedback)


def test_feedback_shows_itself_as_a_box_with_escaped_text():
    page = course.exercise("merge").check("<b>")._repr_html_()
    assert "border-left" in page and "NOT YET" in page
    assert "BUDGET" in course.exercise("trip").check(solution_of("trip"))._repr_html_()


def test_bad_names_of_exercises_and_hints_are_rejected():
    with pytest.raises(ValueError, match="there is no exercise 'merg'; choose one of cost, doubling, fit, merge, "):
        course.exercise("merg")
    with pytest.raises(ValueError, match="merge has the hints 1 to 3; found 4"):
        course.exercise("merge").hint(4)


def test_the_answers_of_a_class_are_graded_into_one_table(tmp_path):
    (tmp_path / "ann.py").write_text(course.exercise("merge").solution() + course.exercise("hide").solution())
    (tmp_path / "bob.py").write_text(
        "def merge(a, x, b, y):\n    return a + b, x\ndef hide(*a):\n    raise NotImplementedError\n"
    )
    (tmp_path / "eve.py").write_text("this is no Python")
    files = [str(tmp_path / name) for name in ("ann.py", "bob.py", "eve.py")]
    subprocess.run([sys.executable, "-m", "ringattn.course", *files, "--csv", str(tmp_path / "grades.csv")], check=True)
    with (tmp_path / "grades.csv").open(newline="") as file:
        ann, bob, eve = csv.DictReader(file)
    assert ann["file"] == "ann.py" and ann["merge"] == ann["hide"] == "right" and ann["online"] == "missing"
    assert bob["merge"].startswith("wrong") and bob["hide"] == "unwritten"
    assert set(eve.values()) == {"eve.py", "missing"}
