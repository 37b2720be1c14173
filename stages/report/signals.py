"""Histograms of the signals that decide, kept and dropped apart, with the thresholds of the active rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts, own_modules
from sequitur.pipeline.names import SELECTION, SIGNALS
from sequitur.pipeline.sections import Annotate
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.judge import Judge
from sequitur.stages.shared.quality_rules import LANGUAGE_UNCLEAR
from sequitur.text_core.signals.rules import Rule

BINS = 40
ALWAYS = ("word_count", "compression_ratio", "language_score")  # shown though no rule looks at them
MOST = 48  # signals
SAMPLE = 2**16  # values of a signal that its range is judged by
TAIL = 0.002  # share of the values that the outermost bins gather, on either side
SKEWED = 50  # a signal whose range is so many times its median has bins that widen


def signal_histograms(root: Directory, judge: Judge, settings: Annotate) -> list[dict[str, Any]]:
    """How documents were kept and dropped by the value of each signal that an active rule looks at, and of some others.

    Args:
        root: of the run; `signals` and `selection` are read.
        judge: with the active rules.
        settings: whose models' and own signals are shown though no rule looks at them.

    Returns:
        Of each signal: `signal`; `scale`, `log` or `linear`, `edges` and `beyond` as of `Scale`; by bin `kept`,
        `failed` (dropped by a rule on this signal) and `other` (for another reason, or as a duplicate); `missing`:
        documents where it is no number; `rules`: `name`, `min`, `max` (either may be None), `dropped` of each.

    Cost: two passes over the columns of these signals; memory, a part of each.
    """
    rules = rules_by_signal(judge)
    known = set(_schema(root / SIGNALS).names)
    own = map(own_modules.name_of, settings.own_signals)
    extra = [name for name in (*ALWAYS, *settings.models, *own) if name not in rules]
    names = [name for name in (*rules, *extra) if name in known][:MOST]
    scales = _scales(root, names, rules)
    counts = {name: np.zeros((3, len(scales[name].edges) - 1), dtype=np.int64) for name in names}
    missing, dropped = dict.fromkeys(names, 0), dict[str, int]()
    for batch, reasons in _parts(root, names):
        for entry in pc.value_counts(reasons.drop_null()).to_pylist():
            dropped[entry["values"]] = dropped.get(entry["values"], 0) + entry["counts"]
        kept = reasons.is_null().to_numpy(zero_copy_only=False)
        for name in names:
            values = _values(batch, name)
            own = pa.array([rule.name for rule in rules.get(name, ())], pa.string())
            failed = pc.is_in(reasons, own).to_numpy(zero_copy_only=False)
            is_number = ~np.isnan(values)
            missing[name] += int((~is_number).sum())
            for row, chosen in enumerate((kept, failed, ~kept & ~failed)):
                counts[name][row] += scales[name].histogram(values[chosen & is_number])
    return [
        {
            "signal": name,
            "scale": "log" if scales[name].log else "linear",
            "edges": [float(f"{edge:.6g}") for edge in scales[name].edges],
            "beyond": scales[name].beyond,
            **{kind: counts[name][row].tolist() for row, kind in enumerate(("kept", "failed", "other"))},
            "missing": missing[name],
            "rules": [
                {"name": rule.name, "min": rule.minimum, "max": rule.maximum, "dropped": dropped.get(rule.name, 0)}
                for rule in rules.get(name, ())
            ],
        }
        for name in names
    ]


def rules_by_signal(judge: Judge) -> dict[str, list[Rule]]:
    """The active rules by the signal that they look at, in the order in which they are tried."""
    found: dict[str, list[Rule]] = {}
    if judge.languages:
        found["language_score"] = [Rule(LANGUAGE_UNCLEAR, "language_score", minimum=judge.min_language_score)]
    for rule in judge.rules:
        found.setdefault(rule.signal, []).append(rule)
    return found


class Scale(NamedTuple):
    """The bins of a signal: equal in width, or in that of the logarithm of 1 + value."""

    edges: np.ndarray  # float64 [bins + 1], ascending
    log: bool
    beyond: tuple[bool, bool]  # whether values lie below the first edge, above the last

    def histogram(self, values: np.ndarray) -> np.ndarray:
        """int64 [bins]; the outermost bins count what lies beyond."""
        return np.histogram(np.clip(values, self.edges[0], self.edges[-1]), self.edges)[0]


def scale_of(sample: np.ndarray, low: float, high: float, bounds: list[float], *, whole: bool) -> Scale:
    """Bins for a signal whose values lie in `low` … `high`, such that its bounds can be seen.

    Args:
        sample: of its values, float64, finite; may be empty.
        low: of all its values.
        high: of all its values.
        bounds: of the rules that look at it.
        whole: whether its values are whole numbers.
    """
    if not len(sample):
        sample, low, high = np.zeros(1), 0.0, 0.0
    lowest, median, highest = np.quantile(sample, [TAIL, 0.5, 1 - TAIL])
    lowest, highest = min(lowest, *bounds, highest), max(highest, *bounds, lowest)
    log = bool(min(low, lowest) >= 0 and highest > SKEWED * max(median, 1.0))
    if log:
        edges = np.expm1(np.linspace(np.log1p(lowest), np.log1p(highest), BINS + 1))
    elif whole and highest - lowest < BINS:
        edges = np.arange(np.floor(lowest), np.ceil(highest) + 2) - 0.5
    else:
        margin = ((highest - lowest) or 1.0) / BINS  # beside a bound at either end, for what fails it
        first = lowest - margin * (lowest in bounds or lowest == highest)
        edges = np.linspace(first, highest + margin * (highest in bounds or lowest == highest), BINS + 1)
    return Scale(edges, log, (bool(low < edges[0]), bool(high > edges[-1])))


def _scales(root: Directory, names: list[str], rules: Mapping[str, list[Rule]]) -> dict[str, Scale]:
    """Looks at the ends of each signal and at a part of its values, evenly taken."""
    rows = max(artifacts.require_manifest(root / SIGNALS).rows, 1)
    step = -(-rows // SAMPLE)
    lows, highs = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
    samples: dict[str, list[np.ndarray]] = {name: [np.empty(0)] for name in names}
    for batch, _ in _parts(root, names):
        for name in names:
            values = _values(batch, name)
            values = values[np.isfinite(values)]
            if len(values):
                lows[name] = min(lows[name], float(values.min()))
                highs[name] = max(highs[name], float(values.max()))
                samples[name].append(values[::step])
    schema = _schema(root / SIGNALS)
    return {
        name: scale_of(
            np.concatenate(samples[name]),
            lows[name],
            highs[name],
            [bound for rule in rules.get(name, ()) for bound in (rule.minimum, rule.maximum) if bound is not None],
            whole=pa.types.is_integer(schema.field(name).type),
        )
        for name in names
    }


def _parts(root: Directory, names: list[str]) -> Iterator[tuple[pa.RecordBatch, pa.StringArray]]:
    """The named signals of each part, and the reasons for drops, string with nulls."""
    signals, selection = root / SIGNALS, root / SELECTION
    manifests = (artifacts.require_manifest(directory).parts for directory in (signals, selection))
    for part, verdicts in zip(*manifests, strict=True):
        reasons = artifacts.map_part(selection, verdicts, ["reason"]).column("reason")
        yield artifacts.map_part(signals, part, names), pc.cast(reasons, pa.string())


def _schema(signals: Directory) -> pa.Schema:
    parts = artifacts.require_manifest(signals).parts
    schema: pa.Schema = artifacts.part_schema(signals, parts[0])
    return schema


def _values(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """A signal as float64 [rows], NaN where it is null."""
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)
