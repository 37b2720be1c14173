"""Raw files to `documents`."""

from sequitur.stages.ingest.declaration import STAGE as STAGE
