"""`documents` to `refined`, where a setting asks for it."""

from sequitur.stages.refine.declaration import STAGE as STAGE
