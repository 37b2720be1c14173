"""`order` and `tokens` to `shards`."""

from sequitur.stages.pack.declaration import STAGE as STAGE
