"""Text to `vectors`."""

from sequitur.stages.embed.declaration import STAGE as STAGE
