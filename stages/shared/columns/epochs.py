"""The orders of several epochs in `order`: rows of one after the other."""

from __future__ import annotations

from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory


def rows_of_epochs(order: Directory) -> list[int]:
    """How many rows of `order` each epoch has; paths are numbered on over all, families ascend within each."""
    manifest = artifacts.require_manifest(order)
    rows: list[int] = manifest.statistics.get("epochs", [manifest.rows])
    return rows
