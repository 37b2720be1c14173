"""What OpenLineage's specification 2-0-2 and those of its facets that are used ask of a run event.

Written down from the published schemas, which no package of ours carries: `make test-peers` has their own client read
the events.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

TEXT, WHOLE, MANY, SOME = str, int, list, dict
EVENT = {
    "eventType": TEXT,
    "eventTime": TEXT,
    "run": SOME,
    "job": SOME,
    "inputs": MANY,
    "outputs": MANY,
    "producer": TEXT,
    "schemaURL": TEXT,
}
FACETS: Mapping[str, tuple[str, Mapping[str, type]]] = {  # by name: its schema, and the fields that it must have here
    "parent": ("ParentRunFacet", {"run": SOME, "job": SOME}),
    "errorMessage": ("ErrorMessageRunFacet", {"message": TEXT, "programmingLanguage": TEXT}),
    "jobType": ("JobTypeJobFacet", {"processingType": TEXT, "integration": TEXT, "jobType": TEXT}),
    "schema": ("SchemaDatasetFacet", {"fields": MANY}),
    "version": ("DatasetVersionDatasetFacet", {"datasetVersion": TEXT}),
    "outputStatistics": (
        "OutputStatisticsOutputDatasetFacet",
        {"rowCount": WHOLE, "size": WHOLE, "fileCount": WHOLE},
    ),
}
WHERE = {
    "run": {"parent", "errorMessage"},
    "job": {"jobType"},
    "facets": {"schema", "version"},
    "outputFacets": {"outputStatistics"},
}


def problems(event: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing that is not as it must be."""
    yield from _fields("event", event, EVENT)
    if event["eventType"] not in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"):
        yield f"eventType: {event['eventType']}"
    if datetime.fromisoformat(event["eventTime"]).tzinfo is None:
        yield f"eventTime: {event['eventTime']} has no time zone"
    if event["schemaURL"] != "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent":
        yield f"schemaURL: {event['schemaURL']}"
    yield from _uri("producer", event["producer"])
    yield from _run("run", event["run"])
    yield from _job("job", event["job"])
    for kind in ("inputs", "outputs"):
        for one in event[kind]:
            yield from _fields(kind, one, {"namespace": TEXT, "name": TEXT})
            if more := one.keys() - {"namespace", "name", "facets", f"{kind[:-1]}Facets"}:
                yield f"{kind}: {more}"
            for facets in ("facets", "outputFacets"):
                yield from _facets(facets, one.get(facets, {}))
    if parent := event["run"]["facets"].get("parent"):
        yield from _run("parent", {"facets": {}, **parent["run"]})
        yield from _fields("parent", parent["job"], {"namespace": TEXT, "name": TEXT})


def _run(name: str, run: Mapping[str, Any]) -> Iterator[str]:
    yield from _fields(name, run, {"runId": TEXT, "facets": SOME})
    if str(uuid.UUID(run["runId"])) != run["runId"]:
        yield f"{name}: {run['runId']} is no UUID"
    yield from _facets("run", run["facets"])


def _job(name: str, job: Mapping[str, Any]) -> Iterator[str]:
    yield from _fields(name, job, {"namespace": TEXT, "name": TEXT, "facets": SOME})
    yield from _facets("job", job["facets"])


def _facets(where: str, facets: Mapping[str, Any]) -> Iterator[str]:
    for name, facet in facets.items():
        if name not in WHERE[where]:
            yield f"{name} is no facet of {where}"
            continue
        kind, fields = FACETS[name]
        yield from _fields(name, facet, {"_producer": TEXT, "_schemaURL": TEXT, **fields})
        yield from _uri(name, facet["_producer"])
        if not re.fullmatch(
            rf"https://openlineage\.io/spec/facets/\d-\d-\d/{kind}\.json#/\$defs/{kind}", facet["_schemaURL"]
        ):
            yield f"{name}: {facet['_schemaURL']}"
        for field in facet.get("fields", []):
            yield from _fields(name, field, {"name": TEXT, "type": TEXT})


def _fields(name: str, value: Mapping[str, Any], fields: Mapping[str, type]) -> Iterator[str]:
    for field, kind in fields.items():
        if not isinstance(value.get(field), kind) or isinstance(value[field], bool):
            yield f"{name}: {field} is {value.get(field)!r}"


def _uri(name: str, uri: str) -> Iterator[str]:
    if not urlsplit(uri).scheme:
        yield f"{name}: {uri} is no URI"
