"""`import sequitur` costs next to nothing, and every public name is there when it is asked for."""

import subprocess
import sys

import pytest

import sequitur
from sequitur.pipeline.stage import Run

HEAVY = ("apache_beam", "networkx", "numba", "numpy", "pyarrow", "pydantic", "torch")


def test_importing_is_quick_and_loads_nothing() -> None:
    script = f"""
import sys, time
begun = time.perf_counter()
import sequitur
seconds = time.perf_counter() - begun
assert sequitur.__version__
print([name for name in {HEAVY!r} if name in sys.modules], seconds < 0.5)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("[] True\n", "")


def test_tables_of_a_run_need_no_beam(finished: Run) -> None:
    script = f"""
import sys
import sequitur
run = sequitur.open_run({finished.config.output!r})
print(run.documents().num_rows, run.ledger["balances"], {{"apache_beam", "faiss", "torch"}} & set(sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == (f"{finished.manifest('documents').rows} True set()\n", "")


def test_cores_need_no_beam() -> None:
    script = """
import sys
import sequitur
order = sequitur.order([[1, 0], [0, 1], [1, 1]], context_length=2, k=1)
found = sequitur.near_duplicates(["one text", "One  text"])["duplicate_of"].to_pylist()
print(sequitur.pack(order, [1, 1, 1], 2).offsets, found, {"apache_beam", "faiss", "torch"} & set(sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("[0 2 3] [1, None] {'faiss'}\n", "")


def test_loading_beam_says_nothing_and_leaves_logging_alone(finished: Run) -> None:
    script = f"""
import logging
import sequitur
found = sequitur.open_run({finished.config.output!r}).trace("doc-001")
print(found["document"]["record_id"], logging.getLogger().handlers)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("doc-001 []\n", "")


def test_public_names_are_there() -> None:
    for name in sequitur.__all__:
        assert getattr(sequitur, name).__doc__, name
        assert name in dir(sequitur)
    with pytest.raises(AttributeError, match="module 'sequitur' has no attribute 'runs'"):
        sequitur.runs  # noqa: B018
