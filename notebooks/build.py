"""Makes the notebooks: executes each NN_name.py and writes NN_name.ipynb with its outputs.

    python notebooks/build.py              # writes all of them
    python notebooks/build.py 03 04        # some of them
    python notebooks/build.py --check      # executes them, and fails where a committed notebook differs

--check compares sources and text outputs; of pictures only the presence. Equal runs write equal files: cells are
numbered, and no times are stored. A Markdown cell may quote only numbers that the notebook prints or has in its code.
"""

import base64
import json
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

here = Path(__file__).parent
metadata = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(source):
    """The notebook of a source, with the outputs of one run."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(metadata)
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}"
        tags = cell["metadata"].get("tags")
        cell["metadata"] = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "markdown":
            cell["source"] = with_lines(cell["source"], source)
    options = {"record_timing": False, "coalesce_streams": True, "resources": {"metadata": {"path": here}}}
    NotebookClient(notebook, timeout=600, extra_arguments=["--IPKernelApp.log_level=ERROR"], **options).execute()
    return notebook


# ---- Links and numbers in the prose ------------------------------------------


def with_lines(text, source):
    """Adds the line to links such as [`resident_owner`](../reference/ring/resident_owner.h): where that name is defined."""

    def with_line(link):
        name, path = link.groups()
        lines = (here / path).read_text(encoding="utf-8").splitlines()
        code = [number for number, line in enumerate(lines, 1)
                if re.search(rf"\b{re.escape(name)}\b", line) and not line.lstrip().startswith(("//", "#"))]  # fmt: skip
        if not code:
            sys.exit(
                f"[notebooks] a link to code must name something in its file; found `{name}`, which is not in {path}; "
                f"correct the link in {source.name}"
            )
        definition = next((number for number in code if not lines[number - 1].startswith(" ")), code[0])
        return f"[`{name}`]({path}#L{definition})"

    return re.sub(r"\[`([^`\]]+)`\]\((\.\./[^)#]+\.(?:h|cpp|py|json))\)", with_line, text)


def unprinted_numbers(notebook):
    """Numbers of two digits or more in the prose that neither the code nor a text output of the notebook contains."""
    number = r"(?<![\w.])\d+(?:\.\d+)?(?![\w]|\.\d)"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    given = {found for cell in cells for text in (cell["source"], *texts(cell)) for found in re.findall(number, text)}
    quoted = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"\]\([^)]*\)|arXiv:\S+|\$[^$]*\$", " ", cell["source"])
            quoted += [found for found in re.findall(number, prose) if len(found) > 1]
    return sorted(set(quoted) - given)


def unwanted(notebook):
    """A sentence about a number or an output that the notebook should not have; None if there is none."""
    if quoted := unprinted_numbers(notebook):
        return f"its prose quotes {quoted}, which it does not print"
    for cell in notebook.cells:
        if any(re.search(r" at 0x[0-9a-f]+", text) for text in texts(cell)):
            return f"{cell['id']} prints an address, which changes with every run; end its last line with a semicolon"
    return None


# ---- Comparing with the committed notebook -----------------------------------


def texts(cell):
    """The text outputs of a code cell; a picture is the word "picture"."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            found.append("picture")
        else:
            found += ["".join(data[kind]) for kind in ("text/html", "text/plain") if kind in data]
    return found


def difference(notebook, target):
    """A sentence about the first cell that differs from the committed notebook; None if there is none."""
    if not target.exists():
        return "there is no such notebook yet"
    committed = nbformat.read(target, as_version=4)
    if len(committed.cells) != len(notebook.cells):
        return f"it has {len(committed.cells)} cells, and its source {len(notebook.cells)}"
    for old, new in zip(committed.cells, notebook.cells):
        old_source, new_source = (re.sub(r"#L\d+\)", ")", cell["source"]) for cell in (old, new))
        if old_source != new_source:
            return f"{new['id']} has another source"
        for was, now in zip([*texts(old), None], [*texts(new), None]):
            if was != now:
                return f"{new['id']} printed\n{was}\nand now prints\n{now}"
    return None


def save_picture(notebook, path):
    """Saves the picture of the cell with the tag "picture", for README.md."""
    tagged = [cell for cell in notebook.cells if "picture" in cell.metadata.get("tags", [])]
    for data in (output["data"] for cell in tagged for output in cell.outputs if "image/png" in output.get("data", {})):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(data["image/png"]))


def main():
    check = "--check" in sys.argv
    wanted = [argument for argument in sys.argv[1:] if argument != "--check"]
    sources = [path for path in sorted(here.glob("[0-9][0-9]_*.py")) if not wanted or path.name[:2] in wanted]
    for source in sources:
        target = source.with_suffix(".ipynb")
        notebook = executed(source)
        problem = unwanted(notebook) or (check and difference(notebook, target))
        if problem:
            rule = f"[notebooks] a notebook must be what its source makes; found {target.name}"
            sys.exit(f"{rule}: {problem}; run make notebooks")
        if not check:
            text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
            target.write_text(text, encoding="utf-8")
            save_picture(notebook, here / "pictures" / f"{source.name[:2]}.png")
        print(f"{target.name}: {'as committed' if check else 'written'}", flush=True)


if __name__ == "__main__":
    main()
