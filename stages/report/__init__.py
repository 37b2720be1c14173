"""All artifacts to `report`."""

from sequitur.stages.report.declaration import STAGE as STAGE
