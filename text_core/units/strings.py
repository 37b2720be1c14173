"""A column of documents as two arrays: what every kernel here reads; and the text composed, as words are compared."""

import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.unicode import MARK, decode, unicode_tables


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


MOST_MARKS = 30  # in a row (UAX #15, Stream-Safe Text Format)
_FIRST_COMBINING = 0xCC  # the first byte of U+0300 in UTF-8; whatever is below composes with nothing before it


def composed(array: pa.LargeStringArray | pa.StringArray) -> pa.LargeStringArray | pa.StringArray:
    """The texts in NFC, so that a letter and its accents are one code point wherever there is one for them.

    The array itself where all texts are so already, as most are. Costs little more than a pass over the bytes where
    the text is Latin, 70 MB a second elsewhere. Not pyarrow's `utf8_normalize`: its NFC does not compose (23.0).

    A text in which more than 30 marks follow one another, which no language has, is left as it is:
    sorting them takes the square of their number.
    """
    offsets, data = from_arrow(array)
    if not len(data) or data[offsets[0] : offsets[-1]].max(initial=0) < _FIRST_COMBINING:
        return array
    texts = array.to_pylist()
    endless = _have_endless_marks(offsets, data, unicode_tables().classes).tolist()
    normal = [
        text is None or is_endless or unicodedata.is_normalized("NFC", text)
        for text, is_endless in zip(texts, endless, strict=True)
    ]
    if all(normal):
        return array
    return pa.array(
        [text if is_so else unicodedata.normalize("NFC", text) for text, is_so in zip(texts, normal, strict=True)],
        array.type,
    )


@njit(cache=True, nogil=True)
def _have_endless_marks(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], classes: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(offsets) - 1, dtype=np.bool_)
    for text in range(len(found)):
        position, run = offsets[text], 0
        while position < offsets[text + 1] and run <= MOST_MARKS:
            code, width = decode(data, position, offsets[text + 1])
            run = run + 1 if classes[code] == MARK else 0
            position += width
        found[text] = run > MOST_MARKS
    return found
