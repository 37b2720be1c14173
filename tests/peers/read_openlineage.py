"""Reads events by OpenLineage's own client: each is made anew of its classes, which refuse what must not be."""

import json
import sys
from pathlib import Path
from typing import Any

from openlineage.client import event_v2
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.serde import Serde


def facet(name: str, content: dict[str, Any]) -> Any:
    own = {key: value for key, value in content.items() if not key.startswith("_")}
    if name == "parent":
        run, job = parent_run.Run(**own["run"]), parent_run.Job(**own["job"])
        return parent_run.ParentRunFacet(run=run, job=job)
    if name == "schema":
        return schema_dataset.SchemaDatasetFacet(
            [schema_dataset.SchemaDatasetFacetFields(**one) for one in own["fields"]]
        )
    return {
        "errorMessage": error_message_run.ErrorMessageRunFacet,
        "jobType": job_type_job.JobTypeJobFacet,
        "version": dataset_version_dataset.DatasetVersionDatasetFacet,
        "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    }[name](**own)


def facets(content: dict[str, Any]) -> dict[str, Any]:
    return {name: facet(name, one) for name, one in content.items()}


def dataset(kind: Any, told: dict[str, Any]) -> Any:
    return kind(**{name: facets(one) if isinstance(one, dict) else one for name, one in told.items()})


def event_of(told: dict[str, Any]) -> event_v2.RunEvent:
    inputs = [dataset(event_v2.InputDataset, one) for one in told["inputs"]]
    outputs = [dataset(event_v2.OutputDataset, one) for one in told["outputs"]]
    return event_v2.RunEvent(
        eventTime=told["eventTime"],
        eventType=event_v2.RunState(told["eventType"]),
        run=event_v2.Run(told["run"]["runId"], facets(told["run"]["facets"])),
        job=event_v2.Job(told["job"]["namespace"], told["job"]["name"], facets(told["job"]["facets"])),
        inputs=inputs,
        outputs=outputs,
        producer=told["producer"],
    )


def without_marks(value: Any) -> Any:
    """A JSON value without what says who made a facet by which schema, which their client puts there itself."""
    if isinstance(value, dict):
        return {
            key: without_marks(one) for key, one in value.items() if not key.startswith("_") and one not in ({}, [])
        }
    return [without_marks(one) for one in value] if isinstance(value, list) else value


events = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
again = [json.loads(Serde.to_json(event_of(told))) for told in events]
same = [without_marks(one) == without_marks(other) for one, other in zip(events, again, strict=True)]
schemas = {one["schemaURL"] for one in again}
print(json.dumps({"events": len(events), "same": same, "schemas": sorted(schemas)}))
