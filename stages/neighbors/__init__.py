"""`vectors` to `neighbors`, without near-duplicates."""

from sequitur.stages.neighbors.declaration import STAGE as STAGE
