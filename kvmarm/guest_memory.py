# SPDX-License-Identifier: GPL-2.0-only
"""The guest's memory, as far as an interrupt controller reads it: tables and the command queue of the ITS.

Models: kvm_read_guest, kvm_write_guest and kvm_is_visible_gfn (virt/kvm/kvm_main.c), Linux 4.8.17, for one memory slot.

Rules:
- A VM with an ITS has 32 MiB of RAM at 0x4000_0000, zero at the start; nothing else is memory to it.
- As with KVM's memory slots the VM record holds the host address only (`vm.ram`). The memory is outside of the record
  and lives as long as the record's array. The operating system gives each page when it is first written.
- Behind the RAM follows a bit map of the pages that were ever written: only those need to be put back.
- Doublewords are little-endian, their addresses multiples of 8.
"""

import ctypes
import weakref
from typing import Any

import numpy as np

from kvmarm.config import RAM_BASE, RAM_BYTES
from kvmarm.jit import U64, jit, load_memory, store_memory

_PAGE_SHIFT = 12
_PAGE_WORDS = (1 << _PAGE_SHIFT) // 8
_PAGES = RAM_BYTES >> _PAGE_SHIFT
_WORDS = RAM_BYTES // 8
_BASE, _END = np.uint64(RAM_BASE), np.uint64(RAM_BASE + RAM_BYTES)
_MAP_OFFSET = np.uint64(RAM_BYTES)


def _keep(memory: np.ndarray) -> None:
    """Do nothing: the call's argument is what a finalizer keeps alive until then."""


def attach(vm: Any) -> None:
    """Give a VM record (numpy.record) zeroed guest memory for as long as the array that it lies in lives."""
    memory = np.zeros(_WORDS + _PAGES // 64, np.uint64)
    owner = np.asarray(vm.base)
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    weakref.finalize(owner, _keep, memory).atexit = False
    vm.ram = memory.ctypes.data


def _words(vm: Any) -> np.ndarray:
    """Return guest memory and its page map as an array (uint64) to be used while the VM lives."""
    pointer = ctypes.cast(int(vm.ram), ctypes.POINTER(ctypes.c_uint64))
    return np.ctypeslib.as_array(pointer, (_WORDS + _PAGES // 64,))


def _written_pages(words: np.ndarray) -> list[int]:
    bits = np.unpackbits(words[_WORDS:].view(np.uint8), bitorder="little")
    return [int(page) for page in np.flatnonzero(bits)]


def save(vm: Any) -> dict[int, np.ndarray]:
    """Return a copy of the pages that were written: page number -> uint64[512]; nothing for a VM without memory."""
    if not vm.ram:
        return {}
    words = _words(vm)
    return {page: words[page * _PAGE_WORDS :][:_PAGE_WORDS].copy() for page in _written_pages(words)}


def restore(vm: Any, saved: dict[int, np.ndarray]) -> None:
    """Put guest memory back to what `save` returned of this VM; pages written since are zero again."""
    if not vm.ram:
        return
    words = _words(vm)
    for page in _written_pages(words):
        words[page * _PAGE_WORDS :][:_PAGE_WORDS] = saved.get(page, 0)
        if page not in saved:
            words[_WORDS + page // 64] &= ~(np.uint64(1) << np.uint64(page % 64))


@jit
def is_ram(address: Any) -> Any:
    """Return whether `address` (uint64) lies in guest memory."""
    return address >= _BASE and address < _END


@jit
def load(vm: Any, address: Any) -> Any:
    """Return the doubleword (uint64) at `address` (uint64), which is in guest memory."""
    return load_memory(U64(vm.ram) + (address - _BASE))


@jit
def load_byte(vm: Any, address: Any) -> Any:
    """Return the byte (int64) at `address` (uint64), which is in guest memory."""
    word = load(vm, address & ~U64(7))
    return np.int64((word >> ((address & U64(7)) << U64(3))) & U64(0xFF))


@jit
def store(vm: Any, address: Any, value: Any) -> None:
    """Store the doubleword `value` (uint64) at `address` (uint64), which is in guest memory."""
    offset = address - _BASE
    store_memory(U64(vm.ram) + offset, value)
    page = offset >> U64(_PAGE_SHIFT)
    place = U64(vm.ram) + _MAP_OFFSET + ((page >> U64(6)) << U64(3))
    store_memory(place, load_memory(place) | U64(1) << (page & U64(63)))


@jit
def store_byte(vm: Any, address: Any, value: Any) -> None:
    """Store the byte `value` (int64) at `address` (uint64), which is in guest memory."""
    word = address & ~U64(7)
    shift = (address & U64(7)) << U64(3)
    store(vm, word, (load(vm, word) & ~(U64(0xFF) << shift)) | U64(value) << shift)
