"""Names that several rooms share are said once: nowhere else does one stand as a string."""

import ast
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
FILES = sorted(
    file.relative_to(ROOT).as_posix()
    for room in ("pipeline", "stages", "inspection", "command_line")
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


def test_every_duplicate_names_another_document() -> None:
    assert {"repeated_id", "exact_duplicate_elsewhere", "semantic_duplicate"} < names.DUPLICATES
    assert {names.CONTAMINATED, names.SUBSET}.isdisjoint(names.DUPLICATES)
    assert {reason for reason in REASONS if "duplicate" in reason} < names.DUPLICATES
