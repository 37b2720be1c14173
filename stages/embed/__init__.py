"""Text to `vectors`."""

from sequitur.stages.embed.stage import STAGE as STAGE
