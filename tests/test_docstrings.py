"""Every docstring begins with a sentence that says what its thing is or does."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = (
    "pipeline", "stages", "inspection", "command_line", "corpora", "text_core", "graph_sort", "shards", "api", "dags",
    "tests", "benchmarks", "docs", "examples",
)  # fmt: skip
FILES = [ROOT / "beam_job.py", *(file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))]
HEADS = ("Args", "Returns", "Yields", "Raises")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each docstring by what it is of."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)) is not None:
            yield getattr(node, "name", "the module"), text


def says_nothing(text: str) -> bool:
    first = text.strip().split("\n")[0].strip()
    return not first or first.rstrip(":") in HEADS


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_docstrings_begin_with_a_sentence(file: Path) -> None:
    found = list(docstrings(ast.parse(file.read_text(encoding="utf-8"))))
    bare = [name for name, text in found if says_nothing(text)]
    assert not bare, f"{file.relative_to(ROOT)}: the docstring of {', '.join(bare)} does not say what it is for"


def test_a_docstring_of_errors_alone_is_noticed() -> None:
    tree = ast.parse('def check() -> None:\n    """\n    Raises:\n        ValueError: it is so.\n    """\n')
    assert [(name, says_nothing(text)) for name, text in docstrings(tree)] == [("check", True)]
    assert not says_nothing("Refuses it.\n\nRaises:\n    ValueError: it is so.")
