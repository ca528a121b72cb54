"""The benchmark beside other libraries: paired ratios, and no time for a wrong answer."""

import json
import sys
from statistics import median

import numpy as np
import pytest
import ringattn
from hypothesis import given
from hypothesis import strategies as st
from ringattn import bench
from trials import trials

tiny = ["--seq", "7,19", "--dim", "5", "--heads", "3", "--rounds", "2"]
seconds = st.floats(1e-6, 1e3)


def wrong_in(name):
    """A library whose result _name_ is zero."""

    def prepare(problem, threads):
        own_call, own_arrays = bench.own().prepare(problem, threads)
        names = ["out", "dq", "dk", "dv"]

        def arrays(results):
            return [0 * array if given == name else array for given, array in zip(names, own_arrays(results), strict=False)]

        return own_call, arrays

    return bench.Library("zeros", "1", prepare)


# ---- Figures --------------------------------------------------------------------


@trials(50)
@given(st.lists(st.tuples(seconds, seconds, st.floats(1, 1e3)), min_size=1, max_size=9))
def test_work_that_slows_down_all_libraries_of_a_round_alike_does_not_change_the_ratio(rounds):
    other, own, slower = zip(*rounds, strict=True)
    busy = [[time * by for time, by in zip(times, slower, strict=True)] for times in (other, own)]
    assert bench.ratio(*busy) == pytest.approx(bench.ratio(other, own))


@pytest.mark.parametrize("causal", [False, True])
def test_operations_are_four_or_fourteen_of_each_visible_pair_head_and_dimension(causal):
    pairs = np.tril(np.ones((11, 11))).sum() if causal else 11 * 11
    for backward, operations in ((False, 4), (True, 14)):
        assert bench.Problem(11, 5, 3, causal, backward).flops == operations * 5 * 3 * pairs


# ---- Runs -----------------------------------------------------------------------


def test_every_problem_is_timed_by_both_clocks_for_every_installed_library(capsys):
    assert bench.main([*tiny, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["versions"]["ringattn"] == ringattn.__version__
    rows = report["rows"]
    keys = ("seq", "mask", "pass", "clock")
    found = {tuple(row[key] for key in keys) for row in rows}
    assert len(rows) == len(found) == 2 * 2 * 2 * 2
    for row in rows:
        assert set(row["gflops"]) == set(report["versions"]) == {"ringattn", *row["ratio"]}
        assert all(value > 0 for value in [*row["gflops"].values(), *row["ratio"].values()])


def test_without_another_library_its_own_figures_are_printed_with_a_sentence(capsys, monkeypatch):
    for name in bench.others:
        monkeypatch.setitem(sys.modules, name, None)
    assert bench.main(tiny) == 0
    out = capsys.readouterr().out
    assert "torch is not installed: no column for it\njax is not installed: no column for it\n" in out
    table = out.split("\n\n")[1].splitlines()
    assert table[0].split()[-1] == "ringattn" and len(table) == 1 + 16


@pytest.mark.parametrize("library", list(bench.others))
def test_another_library_has_a_column_and_a_ratio_where_it_is_installed(library, capsys):
    pytest.importorskip(library, reason=f"{library} is not installed")
    assert bench.main(["--seq", "7", "--dim", "5", "--rounds", "1", "--libraries", library]) == 0
    assert capsys.readouterr().out.split("\n\n")[1].splitlines()[0].split()[-3:] == ["ringattn", library, "ratio"]


@pytest.mark.parametrize("name", ["out", "dq", "dk", "dv"])
@pytest.mark.parametrize("seq", [30, bench.longest_checked_backward + 1])
def test_a_wrong_answer_is_not_timed(name, seq, monkeypatch, capsys):
    monkeypatch.setitem(bench.others, "torch", lambda: wrong_in(name))
    assert bench.main(["--seq", str(seq), "--dim", "3", "--heads", "1", "--rounds", "1", "--libraries", "torch"]) == 1
    captured = capsys.readouterr()
    assert "only right answers are timed; found a wrong one of zeros" in captured.err
    assert captured.out.count("\n  ") == (0 if name == "out" else 4)  # the rows before the first wrong answer


def test_a_problem_that_does_not_fit_into_the_memory_is_refused_with_a_sentence(capsys, monkeypatch):
    monkeypatch.setitem(bench.others, "jax", lambda: bench.Library("jax", "1", wrong_in("out").prepare))
    assert bench.main(["--seq", "9,9999999", "--rounds", "1", "--libraries", "jax"]) == 2
    assert "[bench] the scores that jax holds must fit" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--seq", "9,"], ["--dim", "0"], ["--rounds", "two"], ["--libraries", "numpy"]])
def test_bad_options_are_refused_with_a_sentence(options, capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main(options)
    assert ended.value.code == 2
    assert f"argument {options[0]}: must be" in capsys.readouterr().err


def test_the_speed_is_that_of_the_median_time():
    clock, problem = bench.clocks()[0], bench.Problem(8, 3, 2, False, False)
    times = {"ringattn": [0.5, 0.25, 2.0], "torch": [1.0, 1.0, 1.0]}
    row = bench.row_of(problem, clock, times)
    assert row["gflops"]["ringattn"] == pytest.approx(problem.flops / 0.5 / 1e9)
    assert row["ratio"] == {"torch": median([2, 4, 0.5])}
