"""Paths stay below the root."""

import pytest

from sequitur.shards.errors import PathEscape
from sequitur.shards.manifest_rules import check_path


@pytest.mark.parametrize("path", ["../a", "a//b", "/a", "a\\b", "c:a", "a/./b", "", "a\0"])
def test_a_path_out_of_the_root_is_refused(path: str) -> None:
    with pytest.raises(PathEscape):
        check_path(path)


def test_a_plain_path_is_none() -> None:
    check_path("train/data-x00001-00000-of-00002-r00001.arrow")
