# SPDX-License-Identifier: GPL-2.0-only
"""The legacy design as an object: its operations, its reset, its state in words, its weights."""

from kvmarm import interface
from kvmarm.config import MAX_VCPUS, VmConfig
from kvmarm.design import get_design
from kvmarm.events import new_caller
from kvmarm.jit import U64

DESIGN = get_design("old")


def test_has_every_operation() -> None:
    assert set(DESIGN.functions) == set(interface.OPERATIONS)
    assert DESIGN.name == "old"
    assert DESIGN.world_switch == "asm"


def test_largest_vm_fits() -> None:
    vm = DESIGN.create(VmConfig(gic=3, vcpus=MAX_VCPUS, irqs=1024, lrs=16))
    assert vm.nbytes < 2 << 20
    interface.mmio_write(vm, 0, interface.DISTRIBUTOR, 0x6000 + 8 * 40, 8, U64(31 << 8 | 15), None)
    assert vm.spi_cpu[8] == MAX_VCPUS - 1
    assert interface.mmio_read(vm, 0, MAX_VCPUS - 1, 8, 8, None) == (1, 0x1F0F0001FF10)


def test_state_in_words() -> None:
    vm = DESIGN.create(VmConfig(gic=2, vcpus=2, irqs=96, lrs=4))
    assert DESIGN.snapshot(vm) == {}
    write = interface.mmio_write
    write(vm, 0, interface.DISTRIBUTOR, 0, 4, U64(1), None)
    write(vm, 0, interface.DISTRIBUTOR, 0x104, 4, U64(2), None)
    write(vm, 0, interface.DISTRIBUTOR, 0x821, 1, U64(2), None)
    write(vm, 0, interface.DISTRIBUTOR, 0xF00, 4, U64(0x20003), None)
    interface.map_phys(vm, 0, 27, 30, None)
    interface.inject(vm, 0, 33, 1, None)
    assert DESIGN.snapshot(vm) == {
        "distributor": "enabled",
        "INTID 33": "enabled level pending →vCPU 1",
        "vCPU 0 INTID 27": "forwarded from physical 30",
        "vCPU 1 INTID 3": "pending sent by vCPU 0",
        "vCPU 1 pending map": "3 33",
        "vCPU 1 marked": "pending",
    }


def test_lock_is_free_after_every_operation() -> None:
    vm = DESIGN.create(VmConfig(gic=2, vcpus=1, irqs=64, lrs=1))
    caller = new_caller()
    for intid in (32, 33):
        interface.inject(vm, 0, intid, 1, caller)
    interface.flush(vm, 0, caller)
    interface.sync(vm, 0, caller)
    assert (vm.lock, vm.physmap.lock) == (0, 0)
    assert caller.kick_count == 0
