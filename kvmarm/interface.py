# SPDX-License-Identifier: GPL-2.0-only
"""The interface every VGIC design implements: KVM's entry points into its interrupt controller.

Each operation below is a stub. Called from jitted code it is replaced by the implementation of the design that the VM
record's type belongs to; called from Python it looks the design up by the record's dtype. A design registers a
`Design` (kvmarm.design) that names its record dtype and one function an operation, with these signatures:

    inject(vm, vcpu, intid, level, observer) -> rc                     kvm_vgic_inject_irq
    map_phys(vm, vcpu, vintid, pintid, observer) -> rc                 kvm_vgic_map_phys_irq
    unmap_phys(vm, vcpu, vintid, observer) -> rc                       kvm_vgic_unmap_phys_irq
    inject_mapped(vm, vcpu, vintid, level, observer) -> rc             kvm_vgic_inject_mapped_irq
    mmio_read(vm, vcpu, region, offset, size, observer) -> (handled, value)
    mmio_write(vm, vcpu, region, offset, size, value, observer) -> handled
    send_sgi(vm, vcpu, value, observer)                                vgic_v3_dispatch_sgi
    flush(vm, vcpu, observer)                                          kvm_vgic_flush_hwstate
    restore(vm, vcpu, cpuif, observer)                                 the world switch: image to hardware
    save(vm, vcpu, cpuif, observer)                                    the world switch: hardware to image
    sync(vm, vcpu, observer)                                           kvm_vgic_sync_hwstate
    pending(vm, vcpu, observer) -> 0 or 1                              kvm_vgic_vcpu_pending_irq
    is_active(vm, vcpu, vintid, observer) -> 0 or 1                    kvm_vgic_map_is_active

Types: vm: the design's record; cpuif: one record of kvmarm.cpuif.CPUIF; rc, vcpu, intid, level, offset, size: int64;
value: uint64; handled: int64 0 or 1; region: DISTRIBUTOR, ITS or the number of the vCPU whose redistributor it is;
observer: the calling thread's own record (kvmarm.events.CALLER or OBSERVER), or None. rc is 0 or a negative errno.
Kicks are recorded in the caller's record (kvmarm.state.kick). A BUG_ON of the original sets `vm.bug` to a number that
the design names and returns; whoever runs the model stops there.
"""

from typing import Any

from kvmarm.design import implementation
from kvmarm.jit import JIT_ENABLED
from kvmarm.nested import PART_OPTIONS

DISTRIBUTOR = -1
ITS = -2

EINVAL = -22


def inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of `intid` to `level`."""
    return implementation(vm, "inject")(vm, vcpu, intid, level, observer)


def map_phys(vm: Any, vcpu: Any, vintid: Any, pintid: Any, observer: Any) -> Any:
    """Forward the physical interrupt `pintid` to `vintid`."""
    return implementation(vm, "map_phys")(vm, vcpu, vintid, pintid, observer)


def unmap_phys(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Undo `map_phys`."""
    return implementation(vm, "unmap_phys")(vm, vcpu, vintid, observer)


def inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of a forwarded interrupt."""
    return implementation(vm, "inject_mapped")(vm, vcpu, vintid, level, observer)


def mmio_read(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Emulate a guest load; return (handled, value)."""
    return implementation(vm, "mmio_read")(vm, vcpu, region, offset, size, observer)


def mmio_write(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    """Emulate a guest store; return handled."""
    return implementation(vm, "mmio_write")(vm, vcpu, region, offset, size, value, observer)


def send_sgi(vm: Any, vcpu: Any, value: Any, observer: Any) -> Any:
    """Emulate a guest write of ICC_SGI1R_EL1."""
    return implementation(vm, "send_sgi")(vm, vcpu, value, observer)


def flush(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Fill the software image's list registers before the guest is entered."""
    return implementation(vm, "flush")(vm, vcpu, observer)


def restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> Any:
    """Load the software image into the hardware, as the world switch that goes with the design does."""
    return implementation(vm, "restore")(vm, vcpu, cpuif, observer)


def save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> Any:
    """Save the hardware into the software image, as the world switch that goes with the design does."""
    return implementation(vm, "save")(vm, vcpu, cpuif, observer)


def sync(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Take the guest's changes from the software image after an exit."""
    return implementation(vm, "sync")(vm, vcpu, observer)


def pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return 1 when the design says that `vcpu` has something to take."""
    return implementation(vm, "pending")(vm, vcpu, observer)


def is_active(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Return 1 when the forwarded interrupt is active, as far as the software image shows."""
    return implementation(vm, "is_active")(vm, vcpu, vintid, observer)


OPERATIONS = (
    "inject",
    "map_phys",
    "unmap_phys",
    "inject_mapped",
    "mmio_read",
    "mmio_write",
    "send_sgi",
    "flush",
    "restore",
    "save",
    "sync",
    "pending",
    "is_active",
)
"""Names of the operations above; each is a function of this module and a key of `Design.functions`."""


if JIT_ENABLED:
    from numba.extending import overload

    from kvmarm.design import implementation_for_type

    _STUB_OPTIONS = {"error_model": "numpy", "no_cfunc_wrapper": True, "no_cpython_wrapper": True, **PART_OPTIONS}

    # numba matches the parameter names of the stub, so each overload is spelled out (strict=False: it would compare the
    # annotations too). `function` is a jitted function of the design, bound when numba types the call.

    @overload(inject, strict=False, jit_options=_STUB_OPTIONS)
    def _inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "inject")
        return lambda vm, vcpu, intid, level, observer: function(vm, vcpu, intid, level, observer)

    @overload(map_phys, strict=False, jit_options=_STUB_OPTIONS)
    def _map_phys(vm: Any, vcpu: Any, vintid: Any, pintid: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "map_phys")
        return lambda vm, vcpu, vintid, pintid, observer: function(vm, vcpu, vintid, pintid, observer)

    @overload(unmap_phys, strict=False, jit_options=_STUB_OPTIONS)
    def _unmap_phys(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "unmap_phys")
        return lambda vm, vcpu, vintid, observer: function(vm, vcpu, vintid, observer)

    @overload(inject_mapped, strict=False, jit_options=_STUB_OPTIONS)
    def _inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "inject_mapped")
        return lambda vm, vcpu, vintid, level, observer: function(vm, vcpu, vintid, level, observer)

    @overload(mmio_read, strict=False, jit_options=_STUB_OPTIONS)
    def _mmio_read(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "mmio_read")
        return lambda vm, vcpu, region, offset, size, observer: function(vm, vcpu, region, offset, size, observer)

    @overload(mmio_write, strict=False, jit_options=_STUB_OPTIONS)
    def _mmio_write(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "mmio_write")
        return lambda vm, vcpu, region, offset, size, value, observer: function(
            vm, vcpu, region, offset, size, value, observer
        )

    @overload(send_sgi, strict=False, jit_options=_STUB_OPTIONS)
    def _send_sgi(vm: Any, vcpu: Any, value: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "send_sgi")
        return lambda vm, vcpu, value, observer: function(vm, vcpu, value, observer)

    @overload(flush, strict=False, jit_options=_STUB_OPTIONS)
    def _flush(vm: Any, vcpu: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "flush")
        return lambda vm, vcpu, observer: function(vm, vcpu, observer)

    @overload(restore, strict=False, jit_options=_STUB_OPTIONS)
    def _restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "restore")
        return lambda vm, vcpu, cpuif, observer: function(vm, vcpu, cpuif, observer)

    @overload(save, strict=False, jit_options=_STUB_OPTIONS)
    def _save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "save")
        return lambda vm, vcpu, cpuif, observer: function(vm, vcpu, cpuif, observer)

    @overload(sync, strict=False, jit_options=_STUB_OPTIONS)
    def _sync(vm: Any, vcpu: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "sync")
        return lambda vm, vcpu, observer: function(vm, vcpu, observer)

    @overload(pending, strict=False, jit_options=_STUB_OPTIONS)
    def _pending(vm: Any, vcpu: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "pending")
        return lambda vm, vcpu, observer: function(vm, vcpu, observer)

    @overload(is_active, strict=False, jit_options=_STUB_OPTIONS)
    def _is_active(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
        function = implementation_for_type(vm, "is_active")
        return lambda vm, vcpu, vintid, observer: function(vm, vcpu, vintid, observer)
