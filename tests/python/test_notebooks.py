"""What the build of the notebooks refuses."""

import importlib.util
from pathlib import Path

import pytest
from ringattn import course

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupytext")
pytest.importorskip("nbclient")

folder = Path(__file__).parents[2] / "notebooks"
spec = importlib.util.spec_from_file_location("build", folder / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def notebook(prose, code="", printed="", picture=False):
    v4 = nbformat.v4
    outputs = [v4.new_output("stream", text=printed)] if printed else []
    if picture:
        outputs.append(v4.new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}))
    cells = [v4.new_markdown_cell(prose, id="cell-0"), v4.new_code_cell(code, outputs=outputs, id="cell-1")]
    return v4.new_notebook(cells=cells)


def test_prose_may_quote_only_numbers_that_are_printed_or_in_the_code():
    assert build.unwanted(notebook("It takes 256 ns on 4 devices, 53.9 % of 64.", "seq = 64", "256\n53.9 %")) is None
    assert "['257']" in build.unwanted(notebook("It takes 257 ns.", printed="256"))
    assert "['53.8']" in build.unwanted(notebook("It is 53.8 %.", printed="53.9 %"))
    assert build.unwanted(notebook("See [a](b_17.py), arXiv:2310.01889 and $x^{10}$.")) is None


def test_an_output_with_an_address_is_refused():
    assert "semicolon" in build.unwanted(notebook("", printed="<Legend at 0x7f8e64>"))


def test_a_link_to_code_gets_the_line_of_the_definition():
    link = build.with_lines("[`resident_owner`](../reference/ring/resident_owner.h)", folder / "x.py")
    number = int(link.rsplit("#L", 1)[1].rstrip(")"))
    line = (folder.parent / "reference/ring/resident_owner.h").read_text().splitlines()[number - 1]
    assert line.startswith("constexpr int resident_owner(")
    with pytest.raises(SystemExit, match="found `nothing`"):
        build.with_lines("[`nothing`](../reference/ring/resident_owner.h)", folder / "x.py")


def test_another_source_or_text_output_is_a_difference_and_another_picture_is_none(tmp_path):
    target = tmp_path / "00.ipynb"
    nbformat.write(notebook("prose", "code", "1", picture=True), target)
    same = notebook("prose", "code", "1", picture=True)
    same.cells[1].outputs[1]["data"]["image/png"] = "AAAA"
    assert build.difference(same, target) is None
    assert "prints\n2" in build.difference(notebook("prose", "code", "2", picture=True), target)
    assert build.difference(notebook("prose", "code", "1"), target)
    assert "another source" in build.difference(notebook("prose", "code2", "1", picture=True), target)
    assert "another source" in build.difference(notebook("prose2", "code", "1", picture=True), target)
    assert build.difference(same, tmp_path / "absent.ipynb")


def test_every_source_has_a_notebook_and_stands_in_the_table():
    table = (folder / "README.md").read_text()
    sources = sorted(folder.glob("[0-9][0-9]_*.py"))
    assert len(sources) >= 9
    for source in sources:
        assert source.with_suffix(".ipynb").exists() and f"({source.stem}.ipynb)" in table
        assert (folder / "pictures" / f"{source.name[:2]}.png").exists()


def test_every_exercise_stands_in_its_notebook_and_in_the_table():
    table = (folder / "README.md").read_text().splitlines()
    for name, exercise in course.exercises().items():
        assert f'course.exercise("{name}").check({name})' in (folder / f"{exercise.notebook}.py").read_text(), name
        (line,) = (line for line in table if f"({exercise.notebook}.ipynb)" in line)
        assert f"`{name}`" in line


def test_every_notebook_has_three_to_five_exercises():
    for source in folder.glob("[0-9][0-9]_*.py"):
        assert 3 <= sum(exercise.notebook == source.stem for exercise in course.exercises().values()) <= 5, source
