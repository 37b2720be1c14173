"""The examples in the docstrings of the Python interface are so, one after the other, as docs/api.md shows them."""

import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import sequitur
from docs.python_api import docstring, public


def test_examples_give_what_they_say(
    settings: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings(tmp_path / "run")), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"sequitur": sequitur}
    said: list[str] = []
    attempted = 0
    for name, thing in public():
        examples = doctest.DocTestParser().get_doctest(docstring(thing), names, name, None, 0)
        examples.globs = names  # what one names, the next may use
        found = doctest.DocTestRunner(verbose=False).run(examples, out=said.append, clear_globs=False)
        attempted += found.attempted
    assert not said, "".join(said)
    assert attempted > 15


@pytest.mark.parametrize("name", [name for name, _ in public()])
def test_what_is_public_is_documented(name: str) -> None:
    assert docstring(dict(public())[name])
