"""What other rules would drop, told from the stored signals without running anything: `sequitur rules try`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import DOCUMENTS, SIGNALS
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared import quality_rules
from sequitur.stages.shared.judge import Judge, judge_of

SNIPPET = 300  # characters
Chosen = dict[str, list[tuple[int, int]]]  # by reason, the part and row of some documents


def try_rules(run: Run, other: Config, examples: int) -> Mapping[str, Any]:
    """Compares the rules of a run with those of another configuration, document by document, duplicates left aside.

    Args:
        run: with finished `documents` and `signals`.
        other: a configuration with the same `ingest`, `refine` and `annotate`; only its `select` counts.
        examples: documents to show of each reason that drops others than before.

    Returns:
        `documents`; `reasons`: by reason {now, then}: documents dropped for it; `sources`: by source {documents, now,
        then}: documents dropped in all; `dropped` and `regained`: examples, each with `reason`, `doc_id`, `record_id`,
        `source`, the rule's `signal` and its `value`, and the beginning of the `text`.

    Raises:
        ConfigError: the other configuration is wrong, or has other signals.

    Cost: one pass over the columns of `signals` that the rules look at; the text of the examples alone.
    """
    for section in ("ingest", "refine", "annotate"):
        if getattr(other, section) != getattr(run.config, section):
            raise ConfigError(f"--set {section}.…: changes the signals themselves; run the job with it")
    quality_rules.check_limits(other)
    now, then = judge_of(run.config.select), judge_of(other.select)
    reasons = list(dict.fromkeys([*now.reasons, *then.reasons]))
    counts: dict[str, Counter[str]] = {"now": Counter(), "then": Counter()}
    sources: dict[str, Counter[str]] = {}
    chosen: dict[str, Chosen] = {"dropped": {}, "regained": {}}
    columns = sorted({*now.columns, *then.columns})
    root, manifests = run.root, {name: run.manifest(name) for name in (SIGNALS, DOCUMENTS, run.text)}
    stored = artifacts.part_schema(root / SIGNALS, manifests[SIGNALS].parts[0]).names
    if lacking := [name for name in columns if name not in stored]:
        said = f"by signals that the run lacks ({', '.join(lacking)}), of which only what it needs was computed"
        raise ConfigError(f"--set select.…: rules {said}; run the job with it")
    for part in range(len(manifests[SIGNALS].parts)):
        signals = _read(root, manifests[SIGNALS], part, columns)
        documents = _read(root, manifests[DOCUMENTS], part, ["source", "url"])
        verdicts = {"now": now.verdicts(signals, documents.column("url"))}
        verdicts["then"] = then.verdicts(signals, documents.column("url"))
        names = {"now": _named(now, verdicts["now"]), "then": _named(then, verdicts["then"])}
        for side, found in names.items():
            counts[side].update(found[verdicts[side] >= 0].tolist())
        of = pc.cast(documents.column("source"), pa.string()).to_numpy(zero_copy_only=False)
        for source in distinct_values(of).tolist():
            mine = of == source
            sources.setdefault(source, Counter()).update(
                documents=int(mine.sum()), **{side: int((found[mine] >= 0).sum()) for side, found in verdicts.items()}
            )
        kept = {side: found < 0 for side, found in verdicts.items()}
        _choose(chosen["dropped"], names["then"], kept["now"] & ~kept["then"], part, examples)
        _choose(chosen["regained"], names["now"], kept["then"] & ~kept["now"], part, examples)
    return {
        "documents": manifests[DOCUMENTS].rows,
        "reasons": {
            name: {"now": counts["now"][name], "then": counts["then"][name]}
            for name in reasons
            if counts["now"][name] or counts["then"][name]
        },
        "sources": {source: dict(sources[source]) for source in sorted(sources)},
        "dropped": _described(root, manifests, run.text, then, chosen["dropped"]),
        "regained": _described(root, manifests, run.text, now, chosen["regained"]),
    }


def _named(judge: Judge, verdicts: np.ndarray) -> np.ndarray:
    return np.array([*judge.reasons, ""], dtype=object)[verdicts]


def _read(root: Directory, manifest: Manifest, part: int, columns: Sequence[str]) -> pa.RecordBatch:
    return artifacts.map_part(root / manifest.artifact, manifest.parts[part], columns)


def _choose(chosen: Chosen, names: np.ndarray, rows: np.ndarray, part: int, examples: int) -> None:
    """Takes the first documents of each reason, part by part, until there are enough."""
    for row in np.flatnonzero(rows).tolist():
        found = chosen.setdefault(names[row], [])
        if len(found) < examples:
            found.append((part, row))


def _described(
    root: Directory, manifests: Mapping[str, Manifest], text: str, judge: Judge, chosen: Chosen
) -> list[Mapping[str, Any]]:
    signal_of = {rule.name: rule.signal for rule in judge.rules}
    columns = ["doc_id", "record_id", "source", "url"]
    found: list[Mapping[str, Any]] = []
    for reason in sorted(chosen):
        for part, row in chosen[reason]:
            document = _read(root, manifests[DOCUMENTS], part, columns).slice(row, 1).to_pylist()[0]
            said = _read(root, manifests[text], part, ["text"]).column("text")[row].as_py()
            value = None
            if reason in signal_of:
                value = _read(root, manifests[SIGNALS], part, [signal_of[reason]]).column(0)[row].as_py()
            found.append(
                {
                    "reason": reason,
                    **document,
                    "doc_id": document["doc_id"].hex(),
                    "signal": signal_of.get(reason),
                    "value": value,
                    "text": said[:SNIPPET],
                }
            )
    return found
