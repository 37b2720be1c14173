"""A module of the user's own is imported by its path, runs as it was digested, and fails in a line that says where."""

import hashlib
import importlib
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sequitur.pipeline import own_modules
from sequitur.pipeline.errors import ConfigError, OwnModuleFailed
from sequitur.pipeline.own_modules import OwnModule

Write = Callable[[str, str], Path]


def load(path: str) -> OwnModule:
    return own_modules.load("order.strategy", path, "order", ("documents", "seed"))


def test_a_function_and_the_digest_of_its_source(write_own: Write) -> None:
    file = write_own("plain", "def order(documents, seed):\n    return documents * seed\n")

    own = load("mine.plain")

    assert own.function(6, 7) == 42
    assert own.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert own_modules.is_own("mine.plain")
    assert not own_modules.is_own("iclm")


def test_what_runs_is_what_was_digested(write_own: Write) -> None:
    """A compiled copy is told from another by the second in which its source was written: here all are of the same."""
    for constant in (1, 2, 3):
        file = write_own("changing", f"def order(documents, seed):\n    return {constant}\n")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        assert load("mine.changing").function(0, 0) == constant
        assert sys.modules["mine.changing"].order(0, 0) == constant


def test_a_module_is_executed_once_while_it_stays_the_same(write_own: Write) -> None:
    write_own("once", "HELD = []\n\ndef order(documents, seed):\n    HELD.append(seed)\n    return HELD\n")
    load("mine.once").function(0, 1)

    assert load("mine.once").function(0, 2) == [1, 2]


def test_threads_import_it_one_after_the_other(write_own: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write_own("shared", "MADE = []\n\ndef order(documents, seed):\n    return MADE\n")
    inside: list[int] = []
    together: list[int] = []

    def invalidate() -> None:  # as Python's own, which fails where another thread does the same
        inside.append(1)
        together.append(len(inside))
        time.sleep(0.01)
        inside.pop()

    monkeypatch.setattr(importlib, "invalidate_caches", invalidate)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load("mine.shared").function(0, 0), range(16)))

    assert together == [1] * 16
    assert len({id(made) for made in found}) == 1


def test_a_module_may_import_its_neighbours_and_hold_what_looks_itself_up(write_own: Write) -> None:
    write_own("helper", "FACTOR = 3\n")
    write_own(
        "larger",
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom .helper import FACTOR\n\n"
        "@dataclass\nclass Held:\n    value: int\n\n"
        "def order(documents, seed, *, more=0):\n    return Held(documents * FACTOR).value\n",
    )

    assert load("mine.larger").function(5, 0) == 15


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("mine.absent", None, "order.strategy mine.absent: no such module; install it, or name the folder that it is"),
        ("nobody.absent", None, "no such module; install it"),
        ("mine.bad..name", None, "is no import path; write it as my_package.my_module"),
        ("mine.bad/name", None, "is no import path"),
        (
            "mine.alone.order",
            "def order(documents, seed): ...",
            "mine.alone is a module, not a package; name the module",
        ),
        ("sys.path", None, "sys is a module, not a package"),
        ("mine.empty", "", r"empty.py has no function order; define order\(documents, seed\) there"),
        ("mine.number", "order = 1", "has no function order"),
        ("mine.fewer", "def order(documents): ...", "cannot be called as order.documents, seed.: too many positional"),
        ("mine.more", "def order(documents, seed, third): ...", "missing a required argument: 'third'; define it so"),
        ("mine.wrong", "def order(:", r"cannot be imported: SyntaxError: .*line 1.*; mend it"),
        ("mine.raising", "\n1 / 0\n", r"ZeroDivisionError: division by zero \(line 2 of .*raising.py\); mend it"),
        (
            "mine.needing",
            "import absent_from_here",
            "cannot be imported: ModuleNotFoundError: No module named 'absent_f",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(write_own: Write, path: str, source: str | None, complaint: str) -> None:
    write_own("there", "")
    if source is not None:
        write_own(path.split(".")[1], source)

    with pytest.raises(ConfigError, match=complaint) as raised:
        load(path)

    assert "\n" not in str(raised.value)


def test_a_package_that_fails_is_named_by_its_error(write_own: Write) -> None:
    write_own("__init__", "raise RuntimeError('not\\nfound')")

    with pytest.raises(ConfigError, match=r"mine\.one: cannot be imported: RuntimeError: not found; mend it"):
        load("mine.one")


def test_a_module_that_failed_is_imported_once_it_is_mended(write_own: Write) -> None:
    write_own("mended", "import absent_from_here\n")
    with pytest.raises(ConfigError):
        load("mine.mended")
    assert "mine.mended" not in sys.modules
    write_own("mended", "def order(documents, seed):\n    return 1\n")

    assert load("mine.mended").function(0, 0) == 1


def test_only_source_is_taken() -> None:
    with pytest.raises(ConfigError, match=r"numpy\._core\._multiarray_umath: is not a file of Python source"):
        load("numpy._core._multiarray_umath")


def test_a_failure_names_the_line_of_the_users_file(write_own: Write) -> None:
    file = write_own("failing", "import json\n\ndef order(documents, seed):\n    return json.loads(documents)\n")
    own = load("mine.failing")
    with pytest.raises(ValueError, match="Expecting") as raised:
        own.function("{", 0)

    failed = own.failed(raised.value, "part-00000: ")

    assert isinstance(failed, OwnModuleFailed)
    assert str(failed).startswith("part-00000: order.strategy mine.failing: raised JSONDecodeError: Expecting property")
    assert str(failed).endswith(f"(line 4 of {file}); mend {file}")
    assert str(own.failed("returned nothing")) == f"order.strategy mine.failing: returned nothing; mend {file}"
