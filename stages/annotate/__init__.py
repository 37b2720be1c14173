"""Text to `signals`."""

from sequitur.stages.annotate.declaration import STAGE as STAGE
