"""A command that has nothing to do loads nothing of what does the work; the second in which it ends is none to test."""

import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sequitur import beam_job
from sequitur.pipeline.later import Later
from sequitur.pipeline.stage import Run, Stage

HEAVY = {
    "apache_beam", "awkward", "faiss", "ftfy", "numba", "openvino", "pandas", "scipy", "sentence_transformers",
    "sklearn", "tokenizers", "torch", "transformers",
}  # fmt: skip
WHAT_A_RUN_IS = {"numpy", "pyarrow", "pydantic"}
COMMAND = """
import json, sys
from sequitur.command_line.main import main
try:
    main()
finally:
    sys.stdout.write("\\n" + json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
FINGERPRINTS = """
import json, sys
from sequitur import beam_job
from sequitur.pipeline.config import validate
from sequitur.pipeline.stage import expected, wanted
config = validate({"output": "run", "ingest": {"inputs": sys.argv[1:2]}, **json.loads(sys.argv[2])}, "test")
assert expected(wanted(beam_job.RECIPE, config), config)["report"]
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def loaded(script: str, *arguments: str | Path) -> set[str]:
    """The packages that a process has loaded by its end."""
    words = [sys.executable, "-c", script, *map(str, arguments)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_a_run_with_nothing_to_do_loads_no_beam(finished: Run, tmp_path: Path) -> None:
    root = Path(shutil.copytree(finished.config.output, tmp_path / "run"))
    found = loaded(COMMAND, "run", root / "config.yaml", "--set", f"output={root}")
    assert found & HEAVY == set()
    assert found >= WHAT_A_RUN_IS  # so these are found where they are loaded


def test_the_state_of_a_run_is_told_without_beam(finished: Run) -> None:
    assert loaded(COMMAND, "status", finished.config.output) & HEAVY == set()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"refine": {"fix_unicode": True, "redact": ["phone"]}, "families": {"by": ["source"]}},
        {"tokenize": {"tokenizer": "some/name"}, "pack": {"policy": "filled"}, "order": {"strategy": "path"}},
    ],
)
def test_settings_are_looked_at_without_beam(corpus_file: Path, settings: dict[str, Any]) -> None:
    assert loaded(FINGERPRINTS, corpus_file, json.dumps(settings)) & HEAVY == set()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_command_that_looks_at_no_run_loads_no_array(option: str) -> None:
    assert loaded(COMMAND, option) & (HEAVY | WHAT_A_RUN_IS) == set()


@pytest.mark.parametrize("stage", beam_job.RECIPE, ids=lambda stage: stage.name)
def test_what_a_stage_does_is_where_it_says(stage: Stage) -> None:
    for name in ("estimate", "work", "verify"):
        function = getattr(stage, name)
        assert isinstance(function, Later)
        assert function.name == name
        assert callable(getattr(import_module(function.module), name))
