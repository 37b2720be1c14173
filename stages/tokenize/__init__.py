"""Text to `tokens`."""

from sequitur.stages.tokenize.stage import STAGE as STAGE
