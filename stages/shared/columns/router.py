"""The router of shard families, which `order` writes and `pack` copies into the shards: `router.json` and centroids."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory

ROUTER_JSON = "router.json"


class Router(NamedTuple):
    """How documents are brought to families by their vectors."""

    by: list[str]
    k: int  # clusters asked for, by which they are named
    number: Mapping[tuple[str, ...], int]  # of a family, by its value at each level
    centroids: Mapping[str, np.ndarray]  # float32 [k, d], by group


def router_files(directory: Directory) -> dict[str, bytes]:
    """The files of the router in a directory by name, for copying."""
    return {part.name: directory.read_bytes(part.path) for part in artifacts.require_manifest(directory).parts}


def read_router(directory: Directory) -> Router:
    """The router in a directory."""
    about = directory.read_json(ROUTER_JSON)
    arrays = {
        group["name"]: np.load(io.BytesIO(directory.read_bytes(group["centroids"])), allow_pickle=False)
        for group in about["groups"]
    }
    number = {tuple(family["values"]): index for index, family in enumerate(about["families"])}
    return Router(about["by"], about["k"], number, arrays)
