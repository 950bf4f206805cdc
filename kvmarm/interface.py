# SPDX-License-Identifier: GPL-2.0-only
"""The interface every VGIC design implements: KVM's entry points into its interrupt controller.

Each operation below is a signature and a docstring; `@operation` makes the rest. Called from jitted code, an operation
is replaced by the implementation of the design that the VM record's type belongs to. Called from Python, it looks the
design up by the record's dtype. A design registers a `Design` (kvmarm.design) that names its record dtype and one
function per operation, with these signatures:

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
    signal_msi(vm, device_id, event, observer) -> rc                   kvm_send_userspace_msi (KVM_SIGNAL_MSI)

A design without an ITS has no `Design.its_dtype` and leaves signal_msi out: an MSI then gets ENODEV, and its=1 is
refused. One with an ITS has a record type apart for VMs that have one. mmio_read and mmio_write take their accesses of
region ITS, and kvmarm.guest_memory reads its tables.

Types: vm: the design's record; cpuif: one record of kvmarm.cpuif.CPUIF; rc, vcpu, intid, level, offset, size: int64;
value: uint64; handled: int64 0 or 1; region: DISTRIBUTOR, ITS or the number of the vCPU whose redistributor it is;
device_id, event: int64, 32 bits; observer: the calling thread's own record (kvmarm.events.CALLER or OBSERVER), or None.
rc is 0 or a negative errno; of signal_msi 1 when the LPI was made pending, 0 when nothing is mapped.
Kicks are recorded in the caller's record (kvmarm.state.kick). A BUG_ON of the original sets `vm.bug` to a number that
the design names and returns; whoever runs the model stops there.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from kvmarm.design import implementation, implementation_for_type
from kvmarm.errnos import EBUSY, EINVAL, ENODEV  # noqa: F401 - what operations return, for designs
from kvmarm.events import as_observer
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS

DISTRIBUTOR = -1
ITS = -2

_operations: list[str] = []

F = TypeVar("F", bound=Callable[..., Any])


def operation(stub: F) -> F:
    """Make an operation of a function that has a name, parameters and a docstring, but no body."""
    name = stub.__name__
    _operations.append(name)

    @functools.wraps(stub)
    def call(vm: Any, *arguments: Any) -> Any:
        return implementation(vm, name)(vm, *arguments)

    if JIT_ENABLED:
        _overload(call, ", ".join(inspect.signature(stub).parameters))
    return call  # type: ignore[return-value]  # it has the stub's signature


def _overload(call: Callable[..., Any], parameters: str) -> None:
    """Tell numba to replace `call` by the design's jitted function, which is bound when numba types the call.

    numba matches parameters by name, so that both functions are spelled out: from the one signature there is.
    """
    from numba.extending import overload

    handed_over = parameters.removesuffix("observer") + "as_observer(observer)"
    source = f"""
def typed({parameters}):
    function = implementation_for_type(vm, {call.__name__!r})
    return lambda {parameters}: function({handed_over})
"""
    space: dict[str, Any] = {"implementation_for_type": implementation_for_type, "as_observer": as_observer}
    exec(source, space)
    overload(call, strict=False, jit_options=STUB_OPTIONS)(space["typed"])


@operation
def inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of `intid` to `level`."""


@operation
def map_phys(vm: Any, vcpu: Any, vintid: Any, pintid: Any, observer: Any) -> Any:
    """Forward the physical interrupt `pintid` to `vintid`."""


@operation
def unmap_phys(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Undo `map_phys`."""


@operation
def inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of a forwarded interrupt."""


@operation
def mmio_read(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Emulate a guest load; return (handled, value)."""


@operation
def mmio_write(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    """Emulate a guest store; return handled."""


@operation
def send_sgi(vm: Any, vcpu: Any, value: Any, observer: Any) -> Any:
    """Emulate a guest write of ICC_SGI1R_EL1."""


@operation
def flush(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Fill the software image's list registers before the guest is entered."""


@operation
def restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> Any:
    """Load the software image into the hardware, as the world switch that goes with the design does."""


@operation
def save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> Any:
    """Save the hardware into the software image, as the world switch that goes with the design does."""


@operation
def sync(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Take the guest's changes from the software image after an exit."""


@operation
def pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return 1 when the design says that `vcpu` has something to take."""


@operation
def is_active(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Return 1 when the forwarded interrupt is active, as far as the software image shows."""


@operation
def signal_msi(vm: Any, device_id: Any, event: Any, observer: Any) -> Any:
    """A device writes `event` to GITS_TRANSLATER."""


ITS_OPERATIONS = ("signal_msi",)
"""Operations that only designs with an ITS have."""
OPERATIONS = tuple(name for name in _operations if name not in ITS_OPERATIONS)
"""Names of the other operations above; each is a function of this module and a key of `Design.functions`."""
