"""Sources and languages of which rules, contamination or duplicates take more than was to be expected."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np

from sequitur.pipeline.names import REPEATED_ID, SELECT_DUPLICATES
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.stages.select.verdicts import Documents, Verdicts
from sequitur.stages.shared import alarms
from sequitur.stages.shared.alarms import Alarm, Groups

RULES, DUPLICATES = "rules", "duplicates"  # kinds of reasons


def raise_alarms(
    progress: Progress, root: Directory, most: float, documents: Documents, verdicts: Verdicts, reasons: Sequence[str]
) -> list[dict[str, Any]]:
    """Warns of each source and each language of at least 20 documents that loses more than a share of them to a step.

    Args:
        progress: where the warnings are told.
        root: of the run, with finished `documents` and `signals`.
        most: `select.alarm_share`.
        documents: whose ids name what most duplicates were lost to.
        verdicts: final.
        reasons: names of all reasons, in the order in which they are tried.

    Returns:
        What the manifest of `selection` says of them.
    """
    groups = alarms.read_groups(root)
    judged_alone = reasons[: list(reasons).index(REPEATED_ID)]
    kinds = {RULES: judged_alone, DUPLICATES: SELECT_DUPLICATES}
    found = alarms.raised(groups, verdicts.reason, reasons, most, kinds=kinds)
    of_duplicates = [alarm for alarm in found if alarm.step in (DUPLICATES, *SELECT_DUPLICATES)]
    told = [
        alarm for _, alike in groupby(of_duplicates, lambda alarm: alarm[:2]) for alarm in islice(alike, alarms.NAMED)
    ]
    more = {alarm: _largest(alarm, groups, documents, verdicts, reasons) for alarm in told}
    alarms.tell(progress, found, more)
    return alarms.stored(found)


def _largest(
    alarm: Alarm, groups: Sequence[Groups], documents: Documents, verdicts: Verdicts, reasons: Sequence[str]
) -> str:
    """The document to which most of the duplicates were lost."""
    group = next(group for group in groups if group.of == alarm.of)
    steps = SELECT_DUPLICATES if alarm.step == DUPLICATES else (alarm.step,)
    lost = np.isin(verdicts.reason, [reasons.index(step) for step in steps])
    lost &= group.codes == group.names.index(alarm.name)
    survivor, size = np.unique(verdicts.duplicate_of[lost], return_counts=True)
    largest = int(size.argmax())
    return f" ({size[largest]:,} to document {documents.doc_id[survivor[largest]].tobytes().hex()})"
