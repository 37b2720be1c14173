"""Raw files to `documents`."""

from sequitur.stages.ingest.stage import STAGE as STAGE
