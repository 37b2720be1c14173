"""All artifacts to `report`."""

from sequitur.stages.report.stage import STAGE as STAGE
