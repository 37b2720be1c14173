"""_removal.json: what a removal set out to do, there from before its first change until all that follows is done.

While it is there, whoever removes finishes that removal first. It holds names as they were given; the record that stays
does not.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sequitur.shards.atomic import TEMPORARY, flush_directory, write_bytes
from sequitur.shards.errors import ManifestInvalid
from sequitur.shards.find import Query
from sequitur.shards.json_files import from_json, read_small

INTENT = "_removal.json"  # readers pass over what begins with an underscore


@dataclass(frozen=True)
class Intent:
    """The documents that are to go, and what becomes of their contexts: `repack` or `drop`."""

    query: Query
    contexts: str


def read_intent(base: Path) -> Intent | None:
    """What was begun in `base` and not finished, if anything. Raises ManifestInvalid."""
    try:
        content = json.loads(read_small(base / INTENT))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"is not JSON: {error}", shard=INTENT) from error
    found: Intent = from_json(Intent, content, INTENT)
    return found


def write_intent(base: Path, intent: Intent) -> None:
    """From here on the removal is begun."""
    write_bytes(base / INTENT, json.dumps(asdict(intent), sort_keys=True).encode())


def forget_intent(base: Path) -> None:
    """The removal is whole, or nothing of it was done; so that is the one thing to be deleted last."""
    (base / f"{TEMPORARY}{INTENT}").unlink(missing_ok=True)
    if (base / INTENT).exists():
        (base / INTENT).unlink()
        flush_directory(base)
