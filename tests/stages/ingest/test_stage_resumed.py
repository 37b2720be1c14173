"""An interrupted ingest goes on where it stopped, and looks at each part that is there a few times, however many."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each reading operation on storage was called."""
    counts: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., Any]:
        operation = getattr(Directory, name)

        def count(*arguments: Any) -> Any:
            counts[name] += 1
            return operation(*arguments)

        return count

    for name in ("exists", "size", "names", "read_bytes", "buffer"):
        monkeypatch.setattr(Directory, name, counted(name))
    return counts


def test_resuming_takes_operations_in_proportion_to_files(
    execute: Callable[..., Run], rows: Any, tmp_path: Path, operations: Counter[str]
) -> None:
    taken = []
    for files in (16, 32):
        inputs = [tmp_path / f"{files}-{number}.jsonl" for number in range(files)]
        for path in inputs:
            path.write_text(json.dumps({"id": path.stem, "text": f"Text of {path.stem}."}))
        sections = {"ingest": {"inputs": [str(path) for path in inputs], "part_bytes": 1}}  # a split a file
        run = execute(tmp_path / f"run-{files}", "ingest", **sections)
        before = rows(run)
        run.artifact("documents").remove(run.manifest("documents").parts[files // 2].path)
        operations.clear()

        assert rows(execute(tmp_path / f"run-{files}", "ingest", **sections)) == before
        taken.append(operations.total())

    assert taken[1] <= 2 * taken[0]
