import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for browser.py and pictures.py

from browser import Browser  # noqa: E402


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser):
    """The page in a frame without controls, of the size of ringviz; a test may have no problem in the console."""
    browser.problems.clear()
    browser.show_at(1600, 900)
    yield browser
    assert browser.problems == []
