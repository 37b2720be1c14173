"""Signals of the user's own: what `annotate` does for `annotate.own_signals`.

A module `my_package.my_signal` has a function `signal(text)` that takes the n texts of a part, an Arrow array of type
large_string without nulls, and returns n numbers or truth values: an array of numpy or Arrow, or a list. The signal is
called as the module is, without the packages it is in. It is stored as float64, whatever the numbers are, so that all
parts agree; null becomes NaN, which fails every rule.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from sequitur.pipeline import own_modules
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.own_modules import OwnModule

SETTING = "annotate.own_signals"
KINDS = "biuf"  # of numpy: truth values, integers, floating-point numbers


def load(paths: Sequence[str]) -> dict[str, OwnModule]:
    """The modules by signal. Raises ConfigError."""
    return {own_modules.name_of(path): own_modules.load(SETTING, path, "signal", ("text",)) for path in paths}


def columns(loaded: Mapping[str, OwnModule], text: pa.LargeStringArray, part: str) -> dict[str, pa.Array]:
    """The signals of the n texts of a part by name, each float64 [n]. Raises OwnModuleFailed."""
    found = {}
    for name, own in loaded.items():
        try:
            values = np.asarray(own.function(text))
        except Exception as error:
            raise own.failed(error, f"{part}: ") from error
        if values.shape != (len(text),) or values.dtype.kind not in KINDS:
            what = f"returned {values.dtype} {list(values.shape)}, not {len(text)} numbers, one for each text"
            raise own.failed(what, f"{part}: ")
        found[name] = pa.array(values.astype(np.float64))
    return found


def parameters(paths: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """What the signals depend on: of each module, by import path, the sha256 of its file.

    Raises:
        ConfigError: one cannot be used, or has the name of another signal; `taken` are the names of those there are.
    """
    seen = set(taken)
    for path in paths:
        name = own_modules.name_of(path)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ConfigError(f"{SETTING} {path}: {name} cannot name a signal; rename the module in lower case")
        if name in seen:
            raise ConfigError(f"{SETTING} {path}: there is a signal {name} already; rename the module")
        seen.add(name)
    return {own.path: own.digest for own in load(paths).values()}
