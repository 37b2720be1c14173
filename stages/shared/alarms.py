"""Sources and languages of which a step takes more than was to be expected: a rule made for another language, a mirror.

A step is one reason for which documents are dropped, and those of one kind together: the rules, the duplicates. Where
`select.alarm_share` of the documents that reach a step fall to it, a warning names them, and the manifest of the
artifact, the report's `metrics.json` and its page list them. Nothing is dropped or kept for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.groups import codes_by_name

FEWEST = 20  # documents; of a smaller source a few are a large share
AT_ONCE = 2**16  # documents that are counted
NAMED = 20  # sources in a warning; the manifest has all
EARLIER = "earlier"  # in place of the steps before


class Alarm(NamedTuple):
    """A step that takes much of a source or of a language."""

    step: str  # a reason, or a kind of reasons
    of: str  # source or language
    name: str
    documents: int  # of the source or language
    reached: int  # of them, left by the steps before
    lost: int  # to this one

    @property
    def share(self) -> float:
        return self.lost / self.reached

    def told(self) -> str:
        """`language zh 90.7% of 150`."""
        left = "" if self.reached == self.documents else f" that are left of {self.documents:,}"
        return f"{self.of} {self.name} {self.share:.1%} of {self.reached:,}{left}"


class Groups(NamedTuple):
    """The documents of a run by source, or by language."""

    of: str
    names: list[str]
    codes: np.ndarray  # int64 [documents], the place of each document's in `names`; −1 for none

    def fallen(self, reason: np.ndarray, steps: int) -> tuple[list[str], np.ndarray]:
        """The names of FEWEST documents or more, for there may be as many sources as documents; and how many documents
        of each stay, and fell to each of so many steps: int64 [names, 1 + steps]."""
        many = np.bincount(self.codes, minlength=len(self.names)) >= FEWEST
        place, counts = np.where(many, np.cumsum(many) - 1, -1), np.zeros(many.sum() * (1 + steps), np.int64)
        for begin in range(0, len(reason), AT_ONCE):
            places = place[self.codes[begin : begin + AT_ONCE]]
            cells = places * (1 + steps) + reason[begin : begin + AT_ONCE] + 1
            np.add.at(counts, cells[places >= 0], 1)
        return [self.names[number] for number in np.flatnonzero(many)], counts.reshape(-1, 1 + steps)


def read_groups(root: Directory) -> tuple[Groups, Groups]:
    """The sources of a run's `documents` and the languages of its `signals`, by name; 16 bytes a document, mapped
    where they are many."""
    return _groups(root / DOCUMENTS, "source"), _groups(root / SIGNALS, "language")


def raised(
    groups: Sequence[Groups],
    reason: np.ndarray,
    steps: Sequence[str],
    most: float,
    *,
    kinds: Mapping[str, Sequence[str]] | None = None,
    asked: Mapping[str, float] | None = None,
) -> list[Alarm]:
    """The alarms of some steps, in their order, sources before languages, the largest share first.

    Where all steps of a kind together take more than `most`, and none of them alone, the alarm names the kind. A choice
    by language gives no alarm by language.

    Args:
        groups: of n documents.
        reason: int [n], of each document the place in `steps` of that to which it fell, −1 for those that stay.
        steps: in the order in which they are tried; `EARLIER` gives no alarm.
        most: the share of the documents that reach a step, or of all, beyond which it gives an alarm.
        kinds: steps by what they are together.
        asked: the share that a step is asked to keep, where that is not all: `most` is then of what it should keep.
    """
    found: list[Alarm] = []
    for group in groups:
        names, fallen = group.fallen(reason, len(steps))
        documents, lost = fallen.sum(axis=1), fallen[:, 1:]
        reached = documents[:, np.newaxis] - np.cumsum(lost, axis=1) + lost
        counted = [number for number, step in enumerate(steps) if step not in (EARLIER, group.of)]
        here: list[Alarm] = []
        for number in counted:
            share = 1 - (1 - most) * (asked or {}).get(steps[number], 1.0)
            here += _of_step(steps[number], group.of, names, documents, reached[:, number], lost[:, number], share)
        for kind, members in (kinds or {}).items():
            if numbers := [number for number in counted if steps[number] in members]:
                named = {alarm.name for alarm in here if alarm.step in members}
                together = lost[:, numbers].sum(axis=1)
                of_kind = _of_step(kind, group.of, names, documents, reached[:, numbers[0]], together, most)
                here += (alarm for alarm in of_kind if alarm.name not in named)
        found += here
    order = {step: number for number, step in enumerate((*steps, *(kinds or ())))}
    return sorted(found, key=lambda alarm: (order[alarm.step], alarm.of != "source", -alarm.share, alarm.name))


def after_selection(
    root: Directory, fallen: Mapping[str, np.ndarray], most: float, asked: Mapping[str, float] | None = None
) -> list[Alarm]:
    """The alarms of steps after `select`, from the ordinals (int64) of the documents that fell to each, in order."""
    parts = artifacts.require_manifest(root / SELECTION).parts
    kept = [artifacts.read_part(root / SELECTION, part, ["kept"]).column(0) for part in parts]
    rows = np.flatnonzero(pa.chunked_array(kept, pa.bool_()).to_numpy())
    groups = read_groups(root)
    reason = np.zeros(len(groups[0].codes), dtype=np.int16)
    reason[rows] = -1
    for number, ordinals in enumerate(fallen.values(), start=1):
        reason[rows[ordinals]] = number
    return raised(groups, reason, [EARLIER, *fallen], most, asked=asked)


def tell(progress: Progress, alarms: Sequence[Alarm], more: Mapping[Alarm, str] | None = None) -> None:
    """Warns of all, a line for each step and kind of group; `more` is added to what is told of one."""
    lines: dict[tuple[str, str], list[str]] = {}
    for alarm in alarms:
        lines.setdefault((alarm.step, alarm.of), []).append(alarm.told() + (more or {}).get(alarm, ""))
    for (step, of), told in lines.items():
        shown = told[:NAMED] if of == "source" else told
        rest = f" and {len(told) - len(shown):,} more" if len(told) > len(shown) else ""
        progress.say(f"warning: {step} takes much of {', '.join(shown)}{rest}")


def stored(alarms: Sequence[Alarm]) -> list[dict[str, Any]]:
    """For a manifest."""
    return [{**alarm._asdict(), "share": round(alarm.share, 6)} for alarm in alarms]


def _of_step(
    step: str,
    of: str,
    names: Sequence[str],
    documents: np.ndarray,
    reached: np.ndarray,
    lost: np.ndarray,
    most: float,
) -> Iterator[Alarm]:
    much = (lost > most * documents) | ((reached >= FEWEST) & (lost > most * reached))
    for code in np.flatnonzero(much).tolist():
        yield Alarm(step, of, names[code], int(documents[code]), int(reached[code]), int(lost[code]))


def _groups(directory: Directory, column: str) -> Groups:
    parts = artifacts.require_manifest(directory).parts
    values = (artifacts.read_part(directory, part, [column]).column(0) for part in parts)
    codes, names = codes_by_name(values, sum(part.rows for part in parts), scratch.beside(directory))
    return Groups(column, names, codes)
