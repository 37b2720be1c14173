"""Raw documents to in-context pretraining shards.

    import sequitur
    run = sequitur.run("my.yaml", workers=2)

docs/api.md has the rest. Nothing is loaded before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sequitur.api.artifact import Artifact
    from sequitur.api.extending import extend
    from sequitur.api.run_view import RunView, open_run
    from sequitur.api.running import run
    from sequitur.api.texts import near_duplicates, signals, similar_pairs, verdicts
    from sequitur.api.vectors import order, pack

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "RunView",
    "extend",
    "near_duplicates",
    "open_run",
    "order",
    "pack",
    "run",
    "signals",
    "similar_pairs",
    "verdicts",
]

_MODULE_OF = {
    "Artifact": "sequitur.api.artifact",
    "RunView": "sequitur.api.run_view",
    "open_run": "sequitur.api.run_view",
    "extend": "sequitur.api.extending",
    "run": "sequitur.api.running",
    **dict.fromkeys(("near_duplicates", "signals", "similar_pairs", "verdicts"), "sequitur.api.texts"),
    **dict.fromkeys(("order", "pack"), "sequitur.api.vectors"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: the commands and the cores do without the rest."""
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'sequitur' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
