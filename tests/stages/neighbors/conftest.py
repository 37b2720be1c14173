"""Runs of the stage `neighbors` alone, over vectors that a test makes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neighbor_runs import place, work

from sequitur.pipeline.config import validate
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run


@pytest.fixture
def job_of(settings: Any, tmp_path: Path) -> Callable[..., Run]:
    """A run of some settings for the stage, in a directory of its own."""

    def make(name: str = "run", workers: int = 1, sections: Mapping[str, Any] | None = None, **options: Any) -> Run:
        content = settings(tmp_path / name, neighbors={"duplicate_overlap": None, **options}, **(sections or {}))
        return Run(validate(content, "settings"), Runner(workers))

    return make


@pytest.fixture
def neighbors_of(job_of: Callable[..., Run]) -> Callable[..., Run]:
    """Runs the stage alone over some vectors."""

    def run(vectors: np.ndarray, parts: int = 3, **options: Any) -> Run:
        return work(place(job_of(**options), vectors, parts))

    return run
