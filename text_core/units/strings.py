"""A column of documents as two arrays: what every kernel here reads."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.units.arrays import read_only


class Strings(NamedTuple):
    """n UTF-8 strings; string i is `data[offsets[i]:offsets[i + 1]]`. Both arrays are read-only.

    The offsets of a slice of an Arrow array point into the whole buffer: `offsets[0]` need not be 0, and `data`
    may be longer than `offsets[-1]`.
    """

    offsets: npt.NDArray[np.int64]  # [n + 1], bytes
    data: npt.NDArray[np.uint8]


def from_arrow(array: pa.LargeStringArray | pa.StringArray) -> Strings:
    """View an Arrow string array, slice or not, as `Strings`; a null becomes the empty string.

    `large_string` without nulls is not copied. The 32-bit offsets of `string` are widened (8 bytes a row).
    Raises TypeError for any other Arrow type.
    """
    if pa.types.is_large_string(array.type):
        width = 8
    elif pa.types.is_string(array.type):
        width = 4
    else:
        raise TypeError(f"text must be an Arrow string or large_string array, not {array.type}: cast it first")
    if array.null_count:
        array = array.fill_null("")
    if len(array) == 0:
        return Strings(read_only([0], np.int64), read_only([], np.uint8))
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, f"i{width}", count=len(array) + 1, offset=array.offset * width)
    data = np.empty(0, np.uint8) if data_buffer is None else np.frombuffer(data_buffer, np.uint8)
    return Strings(read_only(offsets, np.int64), read_only(data, np.uint8))
