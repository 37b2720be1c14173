"""Text to `signals`."""

from sequitur.stages.annotate.stage import STAGE as STAGE
