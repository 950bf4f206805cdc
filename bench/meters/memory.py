# SPDX-License-Identifier: GPL-2.0-only
"""The memory of a record, and keeping what a configuration uses of it: copied, put back, compared.

A record has room for the largest VM. What belongs to vCPUs and interrupts that a configuration does not have is never
written, so that it need not be copied: a VM of 4 vCPUs uses a few per cent of its record.
"""

from typing import Any

import numpy as np

from kvmarm.config import MAX_IRQS, MAX_VCPUS, VmConfig
from kvmarm.gic import PRIVATE_IRQS

_WORD = 8


def words_of(record: Any) -> np.ndarray:
    """Return the memory of a record (made by new_vm or new_hardware) as uint64 words that can be written."""
    array = np.asarray(record.base)
    assert array.shape == (1,) and array.dtype.itemsize % _WORD == 0, "not a record that stands alone"
    return array.view(np.uint8).view(np.uint64)


def _unused_elements(length: int, config: VmConfig) -> list[tuple[int, int]]:
    """Return the ranges (first, end) that a configuration leaves alone in an array of so many elements."""
    slots = MAX_IRQS + MAX_VCPUS * PRIVATE_IRQS
    if length == MAX_VCPUS:
        return [(config.vcpus, MAX_VCPUS)]
    if length >= slots:
        # Shared interrupts by INTID, private ones by vCPU, then what is no interrupt of the architecture's first 1,024.
        return [(config.irqs, MAX_IRQS), (MAX_IRQS + config.vcpus * PRIVATE_IRQS, slots)]
    return []


def used_words(dtype: np.dtype[Any], config: VmConfig) -> list[slice]:
    """Return the ranges of words that a configuration uses of a record of `dtype`, in order.

    Arrays with an element per vCPU, or per interrupt (kvmarm.config's capacities), are used in part; all else is used.
    """
    assert dtype.fields is not None
    unused = []
    for form, offset, *_ in dtype.fields.values():
        if form.shape:
            size = form.itemsize // form.shape[0]
            unused += [
                (-(-(offset + first * size) // _WORD), (offset + end * size) // _WORD)
                for first, end in _unused_elements(form.shape[0], config)
            ]
    found, position = [], 0
    for first, end in sorted(unused):
        if end > first:
            found.append(slice(position, first))
            position = end
    found.append(slice(position, dtype.itemsize // _WORD))
    return [part for part in found if part.stop > part.start]


class Memory:
    """The words of a record that its configuration uses."""

    def __init__(self, record: Any, config: VmConfig) -> None:
        self.words = words_of(record)
        self._parts = used_words(np.asarray(record.base).dtype, config)

    def save(self) -> list[np.ndarray]:
        """Return a copy of the words."""
        return [self.words[part].copy() for part in self._parts]

    def restore(self, saved: list[np.ndarray]) -> None:
        """Put back what `save` returned."""
        for part, words in zip(self._parts, saved, strict=True):
            self.words[part] = words

    def changes(self, saved: list[np.ndarray]) -> np.ndarray:
        """Return uint64[k, 2]: index among the record's words, and earlier value, of each word that differs."""
        found = []
        for part, words in zip(self._parts, saved, strict=True):
            index = np.flatnonzero(self.words[part] != words)
            found.append(np.stack([(index + part.start).astype(np.uint64), words[index]], axis=1))
        return np.concatenate(found)
