"""A function by its import path: its module is imported when it is called."""

import sys
from pathlib import Path

import pytest

from sequitur.pipeline.later import Later, done_in

SOURCE = """
def estimate(*given):
    return ["estimate", *given]

def work(*given):
    return ["work", *given]

def verify(*given):
    raise LookupError(*given)
"""


def test_the_module_is_imported_when_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "done_elsewhere.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    estimate, work, verify = done_in("done_elsewhere")
    assert "done_elsewhere" not in sys.modules
    try:
        assert (estimate("run"), work("run", 2)) == (["estimate", "run"], ["work", "run", 2])
        with pytest.raises(LookupError, match="run"):
            verify("run")
    finally:
        del sys.modules["done_elsewhere"]


def test_what_is_not_there_fails_as_any_import_does() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Later("no_such_module", "work")()
    with pytest.raises(AttributeError, match="no_such_name"):
        Later("sequitur.pipeline.later", "no_such_name")()
