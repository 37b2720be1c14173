"""`order` and `tokens` to `shards`."""

from sequitur.stages.pack.stage import STAGE as STAGE
