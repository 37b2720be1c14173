"""Names that several rooms share are said once: nowhere else does one stand as a string."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sequitur.pipeline import names

ROOT = Path(__file__).parents[2]
ALONE = "stages/shared/sources/page_text.py"  # runs by itself, and imports nothing of ours
REASONS = {
    names.BAD_UTF8, names.BAD_JSON, names.BAD_CSV, names.BAD_VALUE, names.NO_TEXT, names.TOO_LARGE,
    names.EXTRACTION_FAILED, names.EXTRACTION_TIMEOUT, names.REPEATED_ID, names.CONTAMINATED, *names.SELECT_DUPLICATES,
    names.SEMANTIC,
}  # fmt: skip
ARTIFACTS = {
    names.DOCUMENTS, names.REJECTS, names.REFINED, names.CHANGES, names.SIGNALS, names.SELECTION, names.CONTAMINATION,
    names.VECTORS, names.TOKENS, names.SPANS, names.NEIGHBORS, names.UNSELECTED, names.SEMANTIC_DUPLICATES, names.ORDER,
    names.ROUTER, names.SHARDS, names.REPORT,
}  # fmt: skip
TAKING_ONE = {"artifact", "manifest", "_manifest", "local_copy", "kept_column", "Stage"}
BY_ARTIFACT = {"standing", "_standing", "stand", "manifests", "fingerprints", "parents"}
FILES = sorted(
    file.relative_to(ROOT).as_posix()
    for room in ("pipeline", "stages", "inspection", "command_line", "api")
    for file in (ROOT / room).rglob("*.py")
    if file != ROOT / "pipeline/names.py"
)


def strings(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"), file)
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("file", FILES)
def test_reasons_are_said_once(file: str) -> None:
    said = strings(file) & REASONS
    if file == ALONE:
        assert said == {names.EXTRACTION_FAILED, names.NO_TEXT, names.TOO_LARGE}
    else:
        assert not said, f"{file} spells {', '.join(sorted(said))}, which pipeline/names.py has"


def places(file: str) -> Iterator[ast.expr]:
    """Where artifacts are named: below a directory, as a key, to a function that takes one. A word of a table is none.

    What lies inside an artifact is named so too, so that a name with a slash is looked for everywhere.
    """
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"), file)):
        match node:
            case ast.BinOp(op=ast.Div(), right=right):
                yield right
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=key) if name in BY_ARTIFACT:
                yield key
            case ast.Compare(left=left, comparators=[ast.Name(id=name) | ast.Attribute(attr=name)]) if (
                name in BY_ARTIFACT
            ):
                yield left
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in TAKING_ONE:
                yield from args[name == "Stage" :]


@pytest.mark.parametrize("file", FILES)
def test_artifacts_are_said_once(file: str) -> None:
    named = {
        node.value
        for place in places(file)
        for node in ast.walk(place)
        if isinstance(node, ast.Constant) and node.value in ARTIFACTS
    }
    said = named | strings(file) & {name for name in ARTIFACTS if "/" in name}
    assert not said, f"{file} spells {', '.join(sorted(said))}, which pipeline/names.py has"


def test_every_duplicate_names_another_document() -> None:
    assert {"repeated_id", "exact_duplicate_elsewhere", "semantic_duplicate"} < names.DUPLICATE_REASONS
    assert {names.CONTAMINATED, names.SUBSET}.isdisjoint(names.DUPLICATE_REASONS)
    assert {reason for reason in REASONS if "duplicate" in reason} < names.DUPLICATE_REASONS
