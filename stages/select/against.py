"""What another run kept: `select.against`. Read are its signals, its selection and its ids, never its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS
from sequitur.pipeline.storage import Directory

SIGNATURE_SETTINGS = ("shingle_words", "permutations")


@dataclass(frozen=True)
class OtherRun:
    """Where another run lies, and what it finished."""

    root: Directory
    documents: Manifest
    signals: Manifest
    selection: Manifest

    def kept(self) -> Iterator[tuple[int, np.ndarray]]:
        """The number of each part, and of each of its rows the ordinal, −1 where it is not kept."""
        for number, part in enumerate(self.selection.parts):
            batch = artifacts.read_part(self.root / SELECTION, part, ["ordinal"])
            yield number, pc.fill_null(batch.column("ordinal"), -1).to_numpy()


def parameters(config: Config) -> Mapping[str, Any]:
    """What a selection depends on in the other run: the fingerprints of what is read there; empty without one.

    Raises:
        ConfigError: no finished run is there, or its signatures cannot be compared with this run's.
    """
    if not config.select.against:
        return {}
    read = [
        {manifest.artifact: manifest.fingerprint for manifest in (other.documents, other.signals, other.selection)}
        for other in find_all(config)
    ]
    ids = {"against_ids": True} if config.select.against_ids else {}
    return {"against": read[0] if len(read) == 1 else read, **ids}


def find_all(config: Config) -> list[OtherRun]:
    """The runs that `select.against` names.

    Raises:
        ConfigError: no finished run is there, or its signatures cannot be compared with this run's.
    """
    return [_find(config, name) for name in config.select.against]


def _find(config: Config, name: str) -> OtherRun:
    from sequitur.text_core.duplicates.minhash import SIGNATURE_VERSION  # and with it numba

    root = Directory(name)
    where = f"select.against: {root.url}"
    if root.path() == Directory(config.output).path():
        raise ConfigError(f"{where}: is this run itself; name another run directory")
    found = {}
    for name in (DOCUMENTS, SIGNALS, SELECTION):
        manifest = artifacts.read_manifest(root / name)
        if manifest is None:
            raise ConfigError(f"{where}: has no finished {name}; run it until select first")
        found[name] = manifest
    other = OtherRun(root, **found)
    if other.selection.parents.get(SIGNALS) != other.signals.fingerprint:
        raise ConfigError(f"{where}: its selection is out of date; run it until select first")
    if other.signals.statistics.get("signature_version") != SIGNATURE_VERSION:
        raise ConfigError(f"{where}: its signatures are of another version of Sequitur; run it anew until select")
    for key in SIGNATURE_SETTINGS:
        theirs, ours = other.signals.parameters.get(key), getattr(config.annotate, key)
        if theirs != ours:
            raise ConfigError(f"{where}: has annotate.{key} {theirs} where this run has {ours}; make them equal")
    return other
