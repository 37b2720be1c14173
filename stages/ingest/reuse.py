"""Parts of `documents` that a run held before other input files were named: taken over where their split is the same.

    documents/<build>/_splits.json   the key of each split: what all of its parts depend on, but its number

What a split is made of is the whole bytes of its files, their paths, formats, sources and what is said of them, and the
stretch of them that is read. Of a file that is one document its time counts, too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sequitur.pipeline import artifacts, builds, former
from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.builds import Build
from sequitur.stages.ingest.splits import InputFile, Split

SPLITS = "_splits.json"
OF_FILES = ("files", "inputs")  # of the parameters; what differs in the others makes other documents of every file


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """What differs in the files between two parameters of `ingest`, in a line; None where something else does."""
    before, now = (json.loads(json.dumps(one)) for one in (before, now))
    if _others(before) != _others(now):
        return None
    old, new = _files(before), _files(now)
    common = old.keys() & new.keys()
    if any(old[path][1] != new[path][1] for path in common):
        return None
    counts = {
        "more": len(new.keys() - common),
        "changed": sum(old[path] != new[path] for path in common),
        "gone": len(old.keys() - common),
    }
    same = len(common) - counts["changed"]
    files = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    return f"input files: {files}; what was made of the {same:,} that are as they were is kept"


def _others(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in OF_FILES}


def _files(parameters: Mapping[str, Any]) -> dict[str, tuple[list[Any], Any]]:
    """By path what is known of a file, without its input's number, and what is said of that input."""
    said = parameters.get("inputs", [])
    number = InputFile._fields.index("input")
    return {
        entry[0]: ([*entry[1:number], *entry[number + 1 :]], said[entry[number]] if said else {})
        for entry in parameters["files"]
    }


def write_keys(
    build: Build, splits: Sequence[Split], parameters: Mapping[str, Any], digests: Mapping[str, str]
) -> None:
    """Notes the key of each split; `digests` are those of whole files, of all that are read."""
    known = _files(parameters)

    def key(split: Split) -> str:
        files = [[file.path, *known[file.path], digests[file.path]] for file in split.files]
        stretch = [split.start, split.end, split.most]  # which with the bytes of the file tell its first row
        return artifacts.digest(json.dumps([files, stretch], ensure_ascii=False, sort_keys=True).encode())

    build.files.write_json(SPLITS, list(map(key, splits)))


def take_over(documents: Build, rejects: Build, splits: Sequence[Split], stage: tuple[str, int]) -> None:
    """Takes over what was made before of the same splits; `write_keys` comes first.

    The rejects of a part are taken over before the part itself, so that a part never stands without them.
    """
    numbers = {key: number for number, key in enumerate(documents.files.read_json(SPLITS))}
    for manifest in former.manifests(documents.directory):
        place = documents.directory / manifest.folder
        beside = former.find(rejects.directory, manifest.fingerprint)
        if manifest.fingerprint == documents.fingerprint or beside is None or not place.exists(SPLITS):
            continue
        if not former.is_alike(manifest, *stage, manifest.parameters):
            continue
        renamed = [
            (number, splits[numbers[key]]) for number, key in enumerate(place.read_json(SPLITS)) if key in numbers
        ]
        for build, one in ((rejects, beside), (documents, manifest)):
            builds.take_over(build, _renamed(one, renamed))


def _renamed(manifest: Manifest, renamed: Sequence[tuple[int, Split]]) -> dict[str, Part]:
    """By their names now, the parts of some splits, each given by its number then."""
    pieces: dict[str, list[Part]] = defaultdict(list)
    for part in manifest.parts:
        pieces[part.name.rpartition("-")[0]].append(part)
    found = {}
    for number, split in renamed:
        for part in pieces[f"part-{number:05}"]:
            found[f"part-{split.index:05}-{part.name.rpartition('-')[2]}"] = part
    return found
