"""`vectors` to `neighbors`, without near-duplicates."""

from sequitur.stages.neighbors.stage import STAGE as STAGE
