"""OpenLineage run events (spec 2-0-2): what ran, what it read and what it made, as catalogues take them.

A run is a job by the name of its dataset, and each stage a job below it, `NAME.STAGE`. An artifact is a dataset by its
place, with its columns, its fingerprint as its version, and how much was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from sequitur import __version__
from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.watching import without_secrets

START, COMPLETE, FAIL, ABORT = "START", "COMPLETE", "FAIL", "ABORT"
PRODUCER = f"pkg:pypi/sequitur-data@{__version__}"  # a package URL
SPEC = "https://openlineage.io/spec"
SCHEMA = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
LONGEST = 2000  # characters of an error that are told
_PATTERN = re.compile(r"[*?\[{]")
_FACETS = {  # by name: the version and the definition of its schema
    "parent": ("1-2-0", "ParentRunFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
}
Event = dict[str, Any]
Dataset = dict[str, Any]


def run_event(
    kind: str,
    run_id: str,
    namespace: str,
    job: str,
    *,
    parent: tuple[str, str] | None = None,
    error: BaseException | None = None,
    inputs: Sequence[Dataset] = (),
    outputs: Sequence[Dataset] = (),
) -> Event:
    """One event, of this moment.

    Args:
        kind: START, COMPLETE, FAIL or ABORT.
        run_id: a UUID.
        namespace: of the job.
        job: its name.
        parent: the id and the job of the run that this one is a part of.
        error: why it failed.
        inputs: what it reads.
        outputs: what it makes.
    """
    about: dict[str, Any] = {}
    if parent is not None:
        of_run, of_job = parent
        about |= _facet("parent", run={"runId": of_run}, job={"namespace": namespace, "name": of_job})
    if error is not None:
        message = without_secrets(f"{type(error).__name__}: {error}")[:LONGEST]
        about |= _facet("errorMessage", message=message, programmingLanguage="PYTHON")
    what = _facet("jobType", processingType="BATCH", integration="SEQUITUR", jobType="TASK" if parent else "JOB")
    return {
        "eventType": kind,
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "run": {"runId": run_id, "facets": about},
        "job": {"namespace": namespace, "name": job, "facets": what},
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
    }


def input_files(paths: Iterable[str]) -> list[Dataset]:
    """The datasets of what `ingest` reads, by paths, directories and globs: of a glob the folder where it begins."""
    found: dict[tuple[str, str], Dataset] = {}
    for path in paths:
        fixed = _PATTERN.split(path, maxsplit=1)[0]
        one = _named(fixed if fixed == path else fixed.rpartition("/")[0] or fixed or ".")
        found[one["namespace"], one["name"]] = one
    return list(found.values())


def read_artifacts(directories: Iterable[Directory]) -> list[Dataset]:
    """The datasets of artifacts that are read, as they are now."""
    return [_artifact(one) for one in directories]


def made_artifacts(directories: Iterable[Directory]) -> list[Dataset]:
    """The datasets of artifacts that are made; of those that are there with how much was written."""
    return [_artifact(one, made=True) for one in directories]


def _artifact(directory: Directory, *, made: bool = False) -> Dataset:
    dataset, manifest = _named(directory.url), artifacts.read_manifest(directory)
    if manifest is None:
        return dataset
    dataset["facets"] = _facet("version", datasetVersion=manifest.fingerprint)
    if arrow := [part for part in manifest.parts if part.name.endswith(".arrow")]:
        fields = [{"name": column.name, "type": str(column.type)} for column in _columns(directory, arrow[0])]
        dataset["facets"] |= _facet("schema", fields=fields)
    if made:
        sizes = {"rowCount": manifest.rows, "size": manifest.bytes, "fileCount": len(manifest.parts)}
        dataset["outputFacets"] = _facet("outputStatistics", **sizes)
    return dataset


def _columns(directory: Directory, part: artifacts.Part) -> pa.Schema:
    """Those of a part, at whose end they stand; of a shard, which is a stream, at its beginning."""
    if part.folder:
        return artifacts.part_schema(directory, part)
    try:
        return pa.ipc.open_stream(directory.read_range(part.path, 0, artifacts.SCHEMA_BYTES)).schema
    except pa.ArrowInvalid as error:
        raise CorruptPart(artifacts.damage(directory, part, "it is not the Arrow file that was written")) from error


def _named(place: str) -> Dataset:
    """A path or URL by the naming of datasets: the file system as the namespace, below it the name."""
    url = urlsplit(without_secrets(place)) if "://" in place else None
    if url is None or url.scheme in ("file", "local"):
        path = place if url is None else f"{url.netloc}{url.path}"
        return {"namespace": "file", "name": str(Path(path).absolute())}
    return {"namespace": f"{url.scheme}://{url.netloc}", "name": url.path.strip("/") or "/"}


def _facet(name: str, **content: Any) -> Mapping[str, Any]:
    version, kind = _FACETS[name]
    schema = f"{SPEC}/facets/{version}/{kind}.json#/$defs/{kind}"
    return {name: {"_producer": PRODUCER, "_schemaURL": schema, **content}}
