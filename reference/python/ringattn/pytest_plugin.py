"""The plugin for pytest, which is active wherever this package is installed.

    @pytest.mark.attention_options("causal")        # the keywords that the implementation understands
    def test_my_attention(attention_case, assert_attention):
        case = attention_case
        assert_attention(mine(case.q, case.k, case.v, **case.options), **case)

attention_case is each of the golden vectors in turn. assert_attention takes the arguments of ringattn.check(); a test
fails with the report as its text. With --ringattn-report DIR every report is written to a file, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

marker = "attention_options"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("ringattn").addoption(
        "--ringattn-report", metavar="DIR", help="write the reports of assert_attention to this folder, as HTML and JSON"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{marker}(*names): the keywords that the implementation understands; other attention_cases are left out"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "attention_case" not in metafunc.fixturenames:
        return
    import ringattn

    understood = [set(mark.args) for mark in metafunc.definition.iter_markers(marker)]
    vectors = [vector for vector in ringattn.vectors() if all(vector.options.keys() <= names for names in understood)]
    metafunc.parametrize("attention_case", vectors, ids=[vector.id for vector in vectors])


@pytest.fixture
def assert_attention(request: pytest.FixtureRequest) -> Callable[..., None]:
    """ringattn.assert_attention(), with a file of each report if --ringattn-report is given."""
    folder = request.config.getoption("--ringattn-report")
    count = 0

    def assert_this(out: Any = None, *tensors: Any, **keywords: Any) -> None:
        __tracebackhide__ = True
        import ringattn

        nonlocal count
        report = ringattn.check(*tensors, out=out, **{"blind_spots": False, **keywords})
        count += 1
        if folder:
            _write(Path(folder), request.node.nodeid, count, report)
        report.raise_if_failed()

    return assert_this


def _write(folder: Path, test: str, count: int, report: Any) -> None:
    name = re.sub(r"[^\w.-]+", "_", test) + ("" if count == 1 else f"_{count}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.html").write_text(report._repr_html_(), encoding="utf-8")
    (folder / f"{name}.json").write_text(report.to_json(), encoding="utf-8")
