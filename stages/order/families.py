"""Shard families: which group each document belongs to, and the router that says it of a new document.

`order/router` holds `router.json` and, where there are clusters, `centroids-00000.npy` …: float32 [k, d], unit length.
In `router.json`: `by` and `k`; `families`, by number: the name, and the value at each level; `groups`: the centroids of
each value of the first level (of "", where that is clusters); `encoder`, the settings by which texts were encoded (a
fitted model lies in `vectors/model`); `dimensions`, d, of the model's own vectors, without a share of the words.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from sequitur.graph_sort import balanced_clusters
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import ORDER, ROUTER, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Families
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.storage import Directory
from sequitur.stages.order.declaration import CLUSTERS
from sequitur.stages.order.documents import RunDocuments
from sequitur.stages.shared.columns.groups import group_codes
from sequitur.stages.shared.columns.router import ROUTER_JSON, Router
from sequitur.stages.shared.columns.stored_vectors import StoredVectors

UNKNOWN = "unknown"
LONGEST_NAME, SEPARATOR = 64, "--"
MOST_FAMILIES = 65536


class Level(NamedTuple):
    """One of the things that families go by: the value of each document, and the values' names."""

    codes: np.ndarray  # int64 [n]
    names: list[str]


def family_of(
    root: Directory, settings: Families, seed: int, documents: RunDocuments, progress: Progress
) -> tuple[np.ndarray, list[str]]:
    """The family of each document, int64 [n] by position, and the families' names; writes the router.

    Without families all are of family 0, whose name is empty, and so is the router.

    Raises:
        ConfigError: no record has the field by which families go, or there are too many families.
    """
    by, count = settings.by, len(documents.ordinals)
    if not by:
        _write_router(root, settings, {}, {})
        return of_one_family(count), [""]
    everyone = Level(np.zeros(count, np.int64), [""])
    centroids: dict[str, np.ndarray] = {}

    def level(by: str, groups: Level) -> Level:
        """The values of one level; clusters are made in each group by itself, and their centroids noted."""
        if by != CLUSTERS:
            return _known_groups(root, by, documents.ordinals)
        vectors = StoredVectors(root / VECTORS, own=True)[documents.ordinals]
        progress.step("order: clusters", len(groups.names), "groups")
        return _clusters(vectors, documents.lengths, groups, settings, seed, centroids, progress)

    first = level(by[0], everyone)
    second = level(by[1], first) if len(by) == 2 else everyone
    values, family = np.unique(first.codes * len(second.names) + second.codes, return_inverse=True)
    _check_number(by, values.size)
    about = dict(_named([first, second][: len(by)], values, len(second.names)))
    _write_router(root, settings, about, centroids)
    return family.astype(np.int64).reshape(-1), list(about)


def of_one_family(count: int) -> np.ndarray:
    """int64 [n] zeros, not to be written to, which take no memory."""
    return np.broadcast_to(np.int64(0), count)


def _named(levels: list[Level], values: np.ndarray, seconds: int) -> Iterator[tuple[str, list[str]]]:
    """Of each family its name and its values; `values` number pairs of values, `seconds` to a first one."""
    safe = [safe_names(level.names, LONGEST_NAME // len(levels) - len(SEPARATOR)) for level in levels]
    for value in values.tolist():
        place = divmod(value, seconds)[: len(levels)]
        name = SEPARATOR.join(names[at] for names, at in zip(safe, place, strict=True))
        yield name, [level.names[at] for level, at in zip(levels, place, strict=True)]


def _check_number(by: list[str], count: int) -> None:
    if count > MOST_FAMILIES:
        raise ConfigError(
            f"families.by: {', '.join(by)} makes {count:,} families, more than {MOST_FAMILIES:,}; go by less"
        )


def _known_groups(root: Directory, by: str, ordinals: np.ndarray) -> Level:
    """The values of something that is known of the documents."""
    codes, names = group_codes(root, by)
    codes = codes[ordinals]
    _check_number([by], len(names))
    if (codes < 0).all() and codes.size:
        raise ConfigError(f"families.by: no record has a text field {by}; name source, language, clusters or a field")
    if UNKNOWN not in names and (codes < 0).any():
        names = [*names, UNKNOWN]
    return Level(np.where(codes < 0, names.index(UNKNOWN) if UNKNOWN in names else 0, codes), names)


def _clusters(
    vectors: np.ndarray,
    weights: np.ndarray,
    groups: Level,
    settings: Families,
    seed: int,
    centroids: dict[str, np.ndarray],
    progress: Progress,
) -> Level:
    """Clusters of each group, of `vectors` [n, d] with int64 `weights` [n]; their centers are put into `centroids`."""
    codes = np.zeros(groups.codes.size, np.int64)
    by_group = np.argsort(groups.codes, kind="stable")
    starts = np.searchsorted(groups.codes[by_group], np.arange(1, len(groups.names)))
    for number, (name, members) in enumerate(zip(groups.names, np.split(by_group, starts), strict=True)):
        if members.size:
            some, weight, seed_here = vectors[members], weights[members], derived_seed(seed, "families", name)
            centers = balanced_clusters.fit(some, weight, settings.k, settings.balanced, seed_here)
            cluster = balanced_clusters.assign(some, centers, weight, settings.balanced)
            used, codes[members] = np.unique(cluster, return_inverse=True)
            centroids[name] = centers[used]
        progress.update(number + 1)
    return Level(codes, cluster_names(settings.k))


def cluster_names(k: int) -> list[str]:
    """What k clusters are called: as in cluster-03, all of one length."""
    return [f"cluster-{number:0{max(2, len(str(k - 1)))}}" for number in range(k)]


def safe_names(names: list[str], longest: int) -> list[str]:
    """A file name for each of some different names: up to `longest` of a-z 0-9 . _ -, with a digest where need be.

    Raises:
        ConfigError: they cannot be told apart.
    """
    plain = [re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-.") for name in names]
    found = list(plain)
    for digits in (8, 16, 24):
        counts = Counter(found)
        for index, name in enumerate(found):
            if not name or len(name) > longest or counts[name] > 1:
                digest = hashlib.sha256(names[index].encode(errors="surrogatepass")).hexdigest()[:digits]
                found[index] = f"{plain[index][: longest - digits - 1]}-{digest}".lstrip("-.")
    if len(set(found)) < len(found):
        raise ConfigError("families.by: two groups cannot be told apart by file names; rename one")
    return found


def _write_router(
    root: Directory, settings: Families, families: Mapping[str, list[str]], centroids: Mapping[str, np.ndarray]
) -> None:
    build = builds.begin(root / ROUTER, builds.current(root / ORDER).fingerprint, in_place=True)
    groups = {name: f"centroids-{index:05}.npy" for index, name in enumerate(centroids)}
    for group, array in centroids.items():
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        builds.write_file(build, groups[group], content.getvalue())
    about = {
        "by": settings.by,
        "k": settings.k,
        "families": [{"name": name, "values": values} for name, values in families.items()],
        "groups": [{"name": name, "centroids": file} for name, file in groups.items()],
        "encoder": dict(artifacts.require_manifest(root / VECTORS).parameters),
        "dimensions": next((array.shape[1] for array in centroids.values()), None),
    }
    builds.write_file(build, ROUTER_JSON, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
    builds.finish(build, {}, {}, {})


def route(vectors: np.ndarray, router: Router, value: str | None = None) -> np.ndarray:
    """The family of new documents, int64 [n]: that of the nearest centroid; −1 where no document was in that family.

    A new document is encoded as `encoder` in the router says, and its vector brought to unit length; its cluster is the
    row of the centroids with the highest dot product. That is c-BTM's routing to one expert; its mixture weighs expert
    j by exp(−‖v − centroid j‖² / T) (arXiv 2303.14177, section 2). Balancing counts only when the families are made:
    some hundredths of the documents that made them were moved elsewhere for it.

    Args:
        vectors: unit vectors [n, d] of documents that share the value at the other level.
        router: one with clusters.
        value: at the level beside the clusters, such as the language, if there is one.
    """
    clusters_first = router.by[0] == CLUSTERS
    cluster = balanced_clusters.nearest(vectors, router.centroids["" if clusters_first else str(value)])
    names = cluster_names(router.k)
    beside = () if value is None else (value,)
    families = [(name, *beside) if clusters_first else (*beside, name) for name in names]
    return np.array([router.number.get(family, -1) for family in families], np.int64)[cluster]


def memory_bytes(settings: Families, vectors: Manifest) -> int:
    """About what making the families takes in this process."""
    clusters = CLUSTERS in settings.by
    return (2 * vectors.bytes + 100 * vectors.rows + 2**28 if clusters else 0) + 32 * vectors.rows * bool(settings.by)


def verify(root: Directory) -> Iterable[str]:
    """A line for each thing that is wrong with the router of a run."""
    directory = root / ROUTER
    manifest = artifacts.read_manifest(directory)
    if manifest is None or any(artifacts.damaged_parts(directory, manifest)):
        yield f"{directory.path()}: absent or damaged; delete {(root / ORDER).path()} and run again"
