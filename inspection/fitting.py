"""A configuration that fits some inputs: `sequitur init --from`."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from sequitur.inspection.inputs import rejected_share
from sequitur.pipeline.sections import Ingest
from sequitur.stages.ingest.look import Look, look_into, suggested
from sequitur.stages.ingest.splits import DOCUMENT_FILES, find_inputs

LEAST_RECORDS = 5  # of JSON with the same fields: fewer whose text has another name are settings or the like
_LEFT_OUT = (("", ""),)  # in place of names of fields


def fitting(settings: Ingest) -> dict[str, Any]:
    """The settings of `ingest` that fit what its inputs hold: for files whose fields have other names an input of their
    own, what holds no text left out, and as many rejects allowed as there will be.

    Raises:
        InputError: an input names no file.
    """
    looks = list(look_into(settings, find_inputs(settings)))
    inputs: list[dict[str, Any]] = []
    for number, given in enumerate(settings.inputs):
        own, of_input = settings.of(number), [look for look in looks if look.file.input == number]
        alike: Counter[tuple[str, ...]] = Counter()
        for look in of_input:
            alike[look.fields] += len(look.records)
        names: dict[tuple[tuple[str, str], ...], list[Look]] = defaultdict(list)
        for look in of_input:
            fields = tuple(sorted(_own(look, own).items()))
            is_setting = fields and look.file.kind == "json" and alike[look.fields] < LEAST_RECORDS
            if look.problem or not _has_text(look, settings) or is_setting:
                names[_LEFT_OUT].append(look)
            else:
                names[fields].append(look)
        if len(of_input) == 1 and of_input[0].file.path == given.path:
            inputs.append({"path": given.path, **dict(next(iter(names)))})
            continue
        for fields, group in names.items():
            if fields and fields != _LEFT_OUT:
                inputs.append({"path": given.path, "include": _globs(group, of_input, given.fixed), **dict(fields)})
        if () in names:
            left_out = names.get(_LEFT_OUT, [])
            exclude = {"exclude": _globs(left_out, [*left_out, *names[()]], given.fixed)} if left_out else {}
            inputs.append({"path": given.path, **exclude})
    fitted: dict[str, Any] = {"inputs": [each["path"] if set(each) == {"path"} else each for each in inputs]}
    if _ids_repeat(settings, looks):
        fitted["ids"] = "file_and_row"
    fit = [look for look in looks if not look.problem and look.has_field(settings.of(look.file.input))]
    share = rejected_share(settings, fit)
    if share > settings.max_reject_share / 2:
        fitted["max_reject_share"] = min(1.0, round(1.5 * share + 0.02, 2))
    return fitted


def _has_text(look: Look, settings: Ingest) -> bool:
    own = settings.of(look.file.input)
    if look.file.kind in DOCUMENT_FILES or "text_field" in _own(look, own):
        return True
    return look.has_field(own) and look.share_without_text(own) < 1


def _own(look: Look, own: Ingest) -> dict[str, str]:
    is_record_file = look.records and look.file.kind not in (*DOCUMENT_FILES, "warc")
    return suggested(look.records, own) if is_record_file else {}


def _globs(group: Sequence[Look], of_input: Sequence[Look], base: str) -> list[str]:
    """Globs for some files of an input and none of its others: by ending where they are all that have it."""
    endings = {_ending(look): 0 for look in group}
    chosen: list[str] = []
    members = {look.file.path for look in group}
    for ending in endings:
        alike = {look.file.path for look in of_input if _ending(look) == ending}
        if ending and alike <= members:
            chosen.append(f"*{ending}")
            members -= alike
    return chosen + sorted(_escaped(os.path.relpath(name, base or ".")) for name in members)


def _escaped(name: str) -> str:
    name = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
    return name if "/" in name else f"/{name}"


def _ending(look: Look) -> str:
    return "".join(PurePosixPath(look.file.path).suffixes[-2 if look.compression else -1 :])


def _ids_repeat(settings: Ingest, looks: Sequence[Look]) -> bool:
    """Whether an id stands in the beginnings of two files."""
    seen: dict[str, str] = {}
    for look in looks:
        own = settings.of(look.file.input)
        name = _own(look, own).get("id_field", own.id_field)
        for record in look.records:
            value, path = record.get(name), look.file.path
            if value is not None and seen.setdefault(str(value), path) != path:
                return True
    return False
