"""`documents` to `refined`, where a setting asks for it."""

from sequitur.stages.refine.stage import STAGE as STAGE
