"""`signals` to `selection`: who stays, and why not."""

from sequitur.stages.select.declaration import STAGE as STAGE
