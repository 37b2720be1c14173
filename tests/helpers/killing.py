"""A kill that a test survives."""

import os
from collections.abc import Callable
from typing import Any

import pytest

CHANGES = ("fsync", "replace", "rename", "unlink", "remove", "rmdir", "mkdir")


class Killed(BaseException):
    """Stands for a kill: from then on no file can be changed any more, as in a process that is gone."""


def kill_at(patch: pytest.MonkeyPatch, step: float) -> Callable[[], int]:
    """Die at the `step`-th time that a file or directory is made, flushed, renamed or deleted. Returns what tells how
    often that was done."""
    steps = 0

    def dying(function: Any) -> Any:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps >= step:
                raise Killed
            return function(*arguments, **options)

        return wrapped

    for name in CHANGES:
        patch.setattr(os, name, dying(getattr(os, name)))
    return lambda: steps
