# SPDX-License-Identifier: GPL-2.0-only
"""The redesign as an object: its operations, its reset, its size, its state in words."""

from kvmarm import interface
from kvmarm.config import MAX_VCPUS, VmConfig
from kvmarm.cpuif import new_hardware
from kvmarm.design import get_design
from kvmarm.jit import U64
from tests.vgic_new.snippets import DESIGN, V2, V3


def test_has_every_operation_and_each_runs() -> None:
    assert set(DESIGN.functions) == {*interface.OPERATIONS, *interface.ITS_OPERATIONS}
    assert get_design("new") is DESIGN
    vm = DESIGN.create(V3)
    cpuif = new_hardware(V3.lrs).cpu[0]
    distributor = interface.DISTRIBUTOR
    assert interface.mmio_write(vm, 0, distributor, 0, 4, U64(2), None) == 1
    assert interface.mmio_write(vm, 0, distributor, 0x104, 4, U64(0x100), None) == 1
    assert interface.mmio_read(vm, 0, distributor, 0, 4, None) == (1, 0x52)
    assert interface.inject(vm, 0, 40, 1, None) == 0
    assert interface.map_phys(vm, 0, 41, 101, None) == 0
    assert interface.inject_mapped(vm, 0, 41, 1, None) == 0
    assert interface.unmap_phys(vm, 0, 41, None) == 0
    interface.send_sgi(vm, 1, U64(1 << 24 | 1), None)
    assert interface.pending(vm, 0, None) == 1
    interface.flush(vm, 0, None)
    interface.restore(vm, 0, cpuif, None)
    assert int(cpuif.hcr) == 1
    interface.save(vm, 0, cpuif, None)
    interface.sync(vm, 0, None)
    assert interface.is_active(vm, 0, 41, None) == 0
    assert vm.bug == 0


def test_largest_vm_fits() -> None:
    vm = DESIGN.create(VmConfig(gic=3, vcpus=MAX_VCPUS, irqs=1024, lrs=16))
    assert vm.nbytes < 2 << 20
    interface.mmio_write(vm, 0, interface.DISTRIBUTOR, 0x6000 + 8 * 40, 8, U64(31 << 8 | 15), None)
    assert vm.irq[40].target_vcpu == MAX_VCPUS - 1
    assert interface.mmio_read(vm, 0, MAX_VCPUS - 1, 8, 8, None) == (1, 0x1F0F0001FF10)


def test_state_in_words() -> None:
    vm = DESIGN.create(V2)
    assert DESIGN.snapshot(vm) == {"distributor": "disabled"}
    write, distributor = interface.mmio_write, interface.DISTRIBUTOR
    write(vm, 0, distributor, 0, 4, U64(1), None)
    write(vm, 0, distributor, 0xC08, 4, U64(0xAAAAAAA2), None)
    write(vm, 0, distributor, 0x104, 4, U64(6), None)
    write(vm, 0, distributor, 0x422, 1, U64(0x40), None)
    write(vm, 0, distributor, 0x821, 1, U64(2), None)
    write(vm, 0, distributor, 0xF00, 4, U64(0x20003), None)
    interface.map_phys(vm, 0, 27, 30, None)
    interface.inject(vm, 0, 33, 1, None)
    assert DESIGN.snapshot(vm) == {
        "distributor": "enabled",
        "INTID 33": "enabled pending level line high →vCPU 1 on ap_list of vCPU 1",
        "INTID 34": "enabled edge priority 0x40 →vCPU 0",
        "vCPU 0 INTID 27": "level forwarded from 30 →vCPU 0",
        "vCPU 1 INTID 3": "enabled pending edge from vCPU 0 →vCPU 1 on ap_list of vCPU 1",
        "vCPU 1 ap_list": "3 33",
    }
