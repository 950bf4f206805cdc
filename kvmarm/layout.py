# SPDX-License-Identifier: GPL-2.0-only
"""Where things lie in memory when several threads use one record: apart from what others write.

A processor takes memory by cache lines, and many take two neighbours at a time. What one thread writes must share no
such pair with what another thread uses. Else both wait for the same lines although they have no data in common: false
sharing. The kernel allocates most of its structures apart, so its threads do not.
"""

from typing import Any

import numpy as np

SHARING_BYTES = 256
"""Two cache lines of the longest in use, 128 bytes: nothing that lies further apart is fetched together."""


def _rounded(offset: int, multiple: int) -> int:
    return -(-offset // multiple) * multiple


def laid_out(
    fields: list[tuple[Any, ...]], apart: tuple[str, ...] = (), multiple: int = SHARING_BYTES
) -> np.dtype[Any]:
    """Return a record type with each field at its natural alignment and a size that is a multiple of `multiple` bytes.

    fields: as numpy.dtype takes them. apart: names of fields that start at a multiple of SHARING_BYTES; fields between
    two of them lie together.
    """
    names, formats, offsets = [], [], []
    offset = 0
    for name, *form in fields:
        field = np.dtype([(name, *form)], align=True)
        offset = _rounded(offset, SHARING_BYTES if name in apart else field.alignment)
        names.append(name)
        formats.append(field[0])
        offsets.append(offset)
        offset += field.itemsize
    described: Any = {
        "names": names,
        "formats": formats,
        "offsets": offsets,
        "itemsize": _rounded(offset, multiple),
    }
    return np.dtype(described, align=True)


def aligned_record(dtype: np.dtype[Any]) -> Any:
    """Return a zeroed record (numpy.record) of `dtype` that starts at a multiple of SHARING_BYTES.

    Untouched pages of it take no memory. `record.base` is the array of shape (1,) that holds it.
    """
    memory = np.zeros(dtype.itemsize + SHARING_BYTES, np.uint8)
    start = -memory.ctypes.data % SHARING_BYTES
    return memory[start : start + dtype.itemsize].view(dtype).view(np.recarray)[0]
