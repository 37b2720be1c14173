"""Text to `tokens`."""

from sequitur.stages.tokenize.declaration import STAGE as STAGE
