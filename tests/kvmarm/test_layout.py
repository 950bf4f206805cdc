# SPDX-License-Identifier: GPL-2.0-only
"""What different threads write lies on cache lines of its own, and kicks belong to the caller."""

import numpy as np
import pytest

from kvmarm import interface
from kvmarm.config import MAX_KICKS, MAX_VCPUS, VmConfig
from kvmarm.cpuif import HARDWARE, new_hardware
from kvmarm.design import BUILT_IN, get_design
from kvmarm.events import CALLER, OBSERVER, new_caller, new_observer
from kvmarm.layout import SHARING_BYTES, laid_out
from kvmarm.state import IMAGE, kick


def _start(record: np.ndarray) -> int:
    return record.__array_interface__["data"][0]


@pytest.mark.parametrize("name", BUILT_IN)
def test_per_vcpu_records_share_no_lines(name: str) -> None:
    vm = get_design(name).create(VmConfig(gic=3, vcpus=4, irqs=64, lrs=4))
    types = {field: vm.dtype[field] for field in vm.dtype.names}
    arrays = [field for field, form in types.items() if form.base.names and form.shape[:1] == (MAX_VCPUS,)]
    assert {"image", "vcpu"} <= set(arrays)
    for field in arrays:
        assert vm.dtype[field].base.itemsize % SHARING_BYTES == 0, field
        assert _start(vm[field]) % SHARING_BYTES == 0, field


def test_private_interrupts_share_no_lines_with_another_vcpus() -> None:
    vm = get_design("new").create(VmConfig(gic=3, vcpus=4, irqs=64, lrs=4))
    assert _start(vm.irq[1024:]) % SHARING_BYTES == 0
    assert 32 * vm.irq.dtype.itemsize % SHARING_BYTES == 0


def test_legacy_lock_lies_apart_from_what_all_read() -> None:
    fields = get_design("old").dtype.fields
    assert fields is not None
    read, written = ("gic", "vcpus", "irqs", "lrs", "words", "enabled"), ("lock", "shared", "on_cpu", "vcpu")
    lines = {name: fields[name][1] // SHARING_BYTES for name in (*read, *written)}
    assert not {lines[name] for name in read} & {lines[name] for name in written}
    assert len({lines[name] for name in written}) == len(written)


@pytest.mark.parametrize(
    "dtype", [IMAGE, HARDWARE["cpu"].base, CALLER, OBSERVER], ids=["image", "interface", "caller", "observer"]
)
def test_record_sizes_are_whole_lines(dtype: np.dtype) -> None:
    assert dtype.itemsize % SHARING_BYTES == 0


def test_records_start_at_lines() -> None:
    for record in (new_hardware(4), new_caller(), new_observer()):
        assert _start(record) % SHARING_BYTES == 0
        assert record.base.shape == (1,)


def test_laid_out_keeps_natural_alignment_and_puts_apart_what_is_asked() -> None:
    dtype = laid_out([("a", np.int8), ("b", np.int64), ("c", np.int16), ("d", np.int8)], apart=("c",), multiple=8)
    assert dtype.fields is not None
    assert [dtype.fields[name][1] for name in "abcd"] == [0, 8, SHARING_BYTES, SHARING_BYTES + 2]
    assert dtype.itemsize == SHARING_BYTES + 8
    assert dtype.isalignedstruct


def test_each_caller_has_its_own_kicks() -> None:
    vm = get_design("new").create(VmConfig(gic=2, vcpus=2, irqs=64, lrs=4))
    first, second = new_caller(), new_caller()
    interface.mmio_write(vm, 0, interface.DISTRIBUTOR, 0, 4, np.uint64(1), None)
    interface.mmio_write(vm, 0, interface.DISTRIBUTOR, 0x104, 4, np.uint64(1), first)
    interface.inject(vm, 0, 32, 1, second)
    assert (int(first.kick_count), int(second.kick_count)) == (0, 1)
    assert int(second.kicks[0]) == 0


def test_kicks_that_nobody_takes_away_stay_in_bounds() -> None:
    vm = get_design("new").create(VmConfig(gic=2, vcpus=2, irqs=64, lrs=4))
    caller = new_caller()
    for number in range(MAX_KICKS + 3):
        kick(vm, number & 1, caller)
    assert int(caller.kick_count) == MAX_KICKS + 3
    assert caller.kicks.shape == (MAX_KICKS,) and MAX_KICKS & (MAX_KICKS - 1) == 0
